import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { Type } from 'typebox'
import type { Test } from 'tap'
import { ReplyError } from '../../src/index.js'
import asyncapi from '../../src/operate/asyncapi/index.js'
import ui, { type ConsoleOptions } from '../../src/operate/ui/ui.js'
import { createApp } from './server.js'
import { mustNotBeLogged } from './witness.js'

/** `window.hacked` shows whether `<img>` or a script has run. */
export const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'

/** An app that the console is tested with. */
export async function createConsoleApp (t: Test, options: ConsoleOptions & {
  prefix?: string
} = {}, fastify: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = await createApp(t, { fastify })
  await app.register(asyncapi, {
    info: {
      title: 'Chat service',
      version: '1.4.0',
      description: 'Rooms, presence and news for the web shop.'
    }
  })
  app.addSchema({
    $id: 'Saying',
    type: 'object',
    description: 'Something to say.',
    required: ['text'],
    properties: {
      text: {
        type: 'string',
        minLength: 1,
        maxLength: 2_000,
        description: 'What is said, as plain text.',
        examples: ['Hello, is anybody here?']
      },
      mood: { enum: ['calm', 'merry', 'cross'] },
      mentions: {
        type: 'array',
        items: { $ref: 'Member#' },
        maxItems: 10,
        description: 'Who is to be told.'
      }
    },
    additionalProperties: false
  })
  app.addSchema({
    $id: 'Member',
    ...Type.Object({
      name: Type.String({ minLength: 1, maxLength: 64 }),
      id: Type.Integer({ minimum: 1 })
    })
  })
  app.socketRoute('/chat/:room', {
    schema: {
      in: {
        say: {
          data: { $ref: 'Saying#' },
          summary: 'Says something in the room',
          description: 'Everybody in the room gets it as `message`, also whoever has said it.'
        },
        join: {
          data: Type.Object({ room: Type.String({ minLength: 1, maxLength: 32 }) }),
          reply: Type.Object({ members: Type.Integer() }),
          summary: 'Changes the room'
        },
        ticks: {
          data: Type.Object({ count: Type.Integer({ minimum: 1, maximum: 10_000, default: 3 }) }),
          stream: Type.Object({ n: Type.Integer() }),
          summary: 'Counts, one item after the other'
        },
        confirm: { reply: Type.Boolean(), summary: 'Has the server ask whether you are sure' },
        fail: { summary: 'Fails' },
        leave: {
          data: Type.Object({
            code: Type.Integer({ default: 4401 }),
            reason: Type.String({ default: 'token expired' })
          }),
          summary: 'Has the server close the connection'
        },
        hostile: { summary: HOSTILE, description: HOSTILE },
        ban: {
          data: Type.Object({ name: Type.String(), until: Type.String({ format: 'date-time' }) }),
          isGranted: 'ROLE_MODERATOR',
          summary: 'Throws somebody out'
        }
      },
      out: {
        message: {
          data: Type.Object({ from: Type.String(), text: Type.String() }),
          summary: 'Somebody has said something'
        },
        ask: {
          data: Type.Object({ question: Type.String() }),
          reply: Type.Boolean({ examples: [true] }),
          summary: 'Asks for a yes or a no'
        },
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
      confirm: async (connection) =>
        await connection.request('ask', { question: 'Are you sure?' }) as boolean,
      fail () { throw new ReplyError('OUT_OF_TEA', 'There is no more tea') },
      leave (connection, data) {
        const { code, reason } = data as { code: number, reason: string }
        connection.close(code, reason)
      },
      hostile: async (connection) => {
        await connection.send(HOSTILE as 'message', { from: '', text: HOSTILE })
      },
      ban () {}
    }
  }, {
    name: 'chat',
    schema: {
      params: Type.Object({
        room: Type.String({
          description: 'The room, which need not exist before.',
          default: 'lobby'
        })
      }),
      querystring: Type.Object({
        lang: Type.Optional(Type.Enum(['en', 'de'], {
          description: 'The language of the welcome.'
        }))
      })
    },
    isGranted: ['ROLE_USER', 'ROLE_ADMIN'],
    rate: { messages: 5_000, per: 1_000 },
    connections: { perUser: 5 },
    config: {
      asyncapi: { description: 'A chat room. What somebody says reaches everybody in it.' }
    }
  })
  app.socketRoute(
    '/echo',
    { onMessage: (_connection, message) => message },
    { config: { asyncapi: { description: 'Sends back what comes.' } } }
  )
  await app.register(async (scope) => {
    scope.socketScope({ isGranted: 'ROLE_ADMIN' })
    scope.socketRoute('/admin', { onOpen () {} }, () => true)
  })
  app.socketRoute('/hostile', { onOpen () {} }, {
    name: HOSTILE,
    isGranted: HOSTILE,
    config: { asyncapi: { description: HOSTILE } }
  })

  app.post<{ Body: { name: string, password: string } }>('/login', async (request, reply) => {
    const { name, password } = request.body
    if (name !== password) {
      return await reply.code(401).send({ message: 'There is no user with this name and password' })
    }
    const token = app.jwt.sign({ sub: name, roles: ['ROLE_USER'] }, { expiresIn: '1h' })
    mustNotBeLogged(token)
    return { answer: { token } }
  })
  await app.register(ui, {
    prefix: '/sockets',
    login: { url: '/login', body: { name: 'alice', password: '' }, tokenPath: '/answer/token' },
    ...options
  })
  return app
}
