import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { Type } from 'typebox'
import type { Test } from 'tap'
import { ReplyError } from '../../src/index.js'
import ui, { type ConsoleOptions } from '../../src/operate/ui/ui.js'
import { consoleDocument, HOSTILE } from './console-document.js'
import { createApp } from './server.js'
import { mustNotBeLogged } from './witness.js'

/** An app that the console is tested with, as console-document.ts describes it. */
export async function createConsoleApp (t: Test, options: ConsoleOptions & { prefix?: string } = {}, fastify: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = await createApp(t, { fastify })
  app.socketRoute('/chat/:room', {
    schema: {
      in: {
        say: { data: Type.Object({ text: Type.String({ minLength: 1, maxLength: 2_000 }) }) },
        join: { data: Type.Object({ room: Type.String({ minLength: 1, maxLength: 32 }) }), reply: Type.Object({ members: Type.Integer() }) },
        ticks: { data: Type.Object({ count: Type.Integer() }), stream: Type.Object({ n: Type.Integer() }) },
        confirm: { reply: Type.Boolean() },
        fail: {},
        leave: { data: Type.Object({ code: Type.Integer(), reason: Type.String() }) },
        hostile: {},
        ban: { data: Type.Object({ name: Type.String() }), isGranted: 'ROLE_MODERATOR' }
      },
      out: {
        message: Type.Object({ from: Type.String(), text: Type.String() }),
        ask: { data: Type.Object({ question: Type.String() }), reply: Type.Boolean() },
        [HOSTILE]: Type.Object({ text: Type.String() })
      }
    },
    on: {
      async say (connection, data) {
        const { text } = data as { text: string }
        await connection.send('message', { from: 'alice', text })
      },
      join: () => ({ members: 3 }),
      async * ticks (_connection, data, { signal }) {
        for (let n = 1; n <= (data as { count: number }).count && !signal.aborted; n++) yield { n }
      },
      confirm: async (connection) => await connection.request('ask', { question: 'Are you sure?' }) as boolean,
      fail () { throw new ReplyError('OUT_OF_TEA', 'There is no more tea') },
      leave (connection, data) {
        const { code, reason } = data as { code: number, reason: string }
        connection.close(code, reason)
      },
      hostile: async (connection) => { await connection.send(HOSTILE as 'message', { from: '', text: HOSTILE }) },
      ban () {}
    }
  }, ['ROLE_USER', 'ROLE_ADMIN'])
  app.socketRoute('/echo', { onMessage: (_connection, message) => message })
  app.socketRoute('/admin', { onOpen () {} }, ['ROLE_ADMIN'])

  app.post<{ Body: { name: string, password: string } }>('/login', async (request, reply) => {
    const { name, password } = request.body
    if (name !== password) return await reply.code(401).send({ message: 'There is no user with this name and password' })
    const token = app.jwt.sign({ sub: name, roles: ['ROLE_USER'] }, { expiresIn: '1h' })
    mustNotBeLogged(token)
    return { answer: { token } }
  })
  await app.register(ui, {
    prefix: '/sockets',
    document: () => consoleDocument,
    login: { url: '/login', body: { name: 'alice', password: '' }, tokenPath: '/answer/token' },
    ...options
  })
  return app
}
