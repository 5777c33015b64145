// The types, as users of both compilers meet them: what is to compile compiles, and what is not
// does not.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { compilers } from './support/compilers.js'

// A compiler takes its seconds, on a busy machine many.
const timeout = 300_000
t.setTimeout(timeout)

const root = process.cwd()
const types = join(root, 'test', 'types')

/** Compiles a program without output; answers the exit code, and what the compiler has to say. */
async function compile (compiler: string, project: string): Promise<{
  code: number
  output: string
}> {
  const tsc = join(root, compiler, 'lib', 'tsc.js')
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [tsc, '--noEmit', '--pretty', 'false', '-p', project],
      { cwd: root }
    )
    return { code: 0, output: stdout }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number, stdout: string, stderr: string }
    return { code, output: stdout + stderr }
  }
}

/**
 * A program of its own, with the settings of the repository and nothing else of it; answers its
 * directory.
 */
function program (t: Test, files: Record<string, string>, compilerOptions: object = {}): string {
  const tsconfig = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions,
    files: Object.keys(files),
    include: []
  }
  return t.testdir({ ...files, 'tsconfig.json': JSON.stringify(tsconfig) })
}

for (const [name, compiler] of compilers) {
  t.test(`with ${name} types are inferred, and mistakes do not compile`, { timeout }, async (t) => {
    t.match(await compile(compiler, types), { code: 0, output: /^$/ })
  })

  t.test(`with ${name} a guarded route has the user declared for @fastify/jwt`, {
    timeout
  }, async (t) => {
    const directory = program(t, {
      'app.ts': `
        import Fastify from 'fastify'
        import '@fastify/jwt'
        import 'fastify-socket-route'
        import { is } from '${join(types, 'expect.js')}'

        interface User { sub: string, roles: string[] }
        declare module '@fastify/jwt' {
          interface FastifyJWT { user: User }
        }

        const app = Fastify()
        app.socketRoute('/open', { onOpen ({ user }) { is<User | null>()(user) } })
        app.socketRoute('/role', { onOpen: ({ user }) => user.sub }, 'ROLE_USER')
        app.socketRoute('/roles', { onOpen: ({ user }) => user.sub }, ['ROLE_USER'])
        app.socketRoute('/predicate', { onOpen: ({ user }) => user.sub }, (user) => user.sub === 'alice')
        app.socketRoute('/options', { onOpen: ({ user }) => user.sub }, { isGranted: async (user) => user.roles.includes('ROLE_USER') })
        // @ts-expect-error the user may be null
        app.socketRoute('/open', { onOpen: ({ user }) => user.sub })
        // @ts-expect-error no such claim
        app.socketRoute('/predicate', { onOpen () {} }, (user) => user.name === 'alice')
      `
    })
    t.match(await compile(compiler, directory), { code: 0, output: /^$/ })
  })

  t.test(`with ${name} an app without @fastify/jwt compiles, and its user is unknown`, {
    timeout
  }, async (t) => {
    const directory = program(t, {
      'app.ts': `
        import Fastify from 'fastify'
        import socketRoutes from 'fastify-socket-route'
        import { is } from '${join(types, 'expect.js')}'

        const app = Fastify()
        await app.register(socketRoutes)
        const chat = app.socketRoute('/chat/:room', {
          onOpen (connection) {
            is<unknown>()(connection.user)
            is<{ room: string }>()(connection.params)
          },
          onMessage (connection, message, clients) { clients.broadcast(message, { except: connection }) }
        })
        chat.broadcast('hi')
        app.socketRoute<{ User: { name: string } }>('/mine', { onOpen: ({ user }) => user.name }, {
          tokenFrom: [],
          isGranted: (user) => { is<{ name: string }>()(user); return true }
        })
        app.socketRoute('/guarded', { onOpen ({ user }) { is<unknown>()(user) } }, (user) => { is<unknown>()(user); return true })
        // @ts-expect-error there is no such decorator
        app.jwt.sign({})
      `
    }, { types: [] })
    t.match(await compile(compiler, directory), { code: 0, output: /^$/ })
  })

  t.test(`with ${name} the client compiles with nothing but the types of browsers`, {
    timeout
  }, async (t) => {
    const page = `
      import { connect } from 'fastify-socket-route/client'
      interface Chat { '~contract'?: { in: { join: { data: { room: string }, reply: { members: number }, stream: undefined } }, out: { message: { data: string, reply: undefined } } } }
      const client = connect<Chat>('/chat', { token: async () => null, WebSocket })
      client.on('message', (text) => { document.title = text })
      const { members } = await client.request('join', { room: 'lobby' }, { signal: AbortSignal.timeout(5_000) })
      document.title = members.toFixed()
      // @ts-expect-error other data
      client.send('join', { room: 1 })
    `
    const directory = program(t, { 'page.ts': page }, {
      types: [],
      lib: ['es2022', 'dom'],
      skipLibCheck: false
    })
    t.match(await compile(compiler, directory), { code: 0, output: /^$/ })
  })

  t.test(`with ${name} these tests can fail`, { timeout }, async (t) => {
    const directory = program(t, {
      'not-the-type.ts': `
        import Fastify from 'fastify'
        import 'fastify-socket-route'
        import { is } from '${join(types, 'expect.js')}'
        Fastify().socketRoute('/chat/:room', { onOpen ({ params }) { is<{ rooms: string }>()(params) } })
      `,
      'any.ts': `
        import { is } from '${join(types, 'expect.js')}'
        is<string>()(JSON.parse('""'))
      `,
      'no-mistake.ts': `
        import Fastify from 'fastify'
        import 'fastify-socket-route'
        // @ts-expect-error but this is right
        Fastify().socketRoute('/chat/:room', { onOpen: ({ params }) => params.room })
      `,
      'wrong-name.ts': `
        import { connect } from 'fastify-socket-route/client'
        interface Message { data: undefined, reply: undefined, stream: undefined }
        const client = connect<{ '~contract'?: { in: { join: Message, say: Message }, out: { bye: Message, hello: Message } } }>('/chat')
        client.send('sya')
        client.on('helo', () => {})
      `
    })
    const { code, output } = await compile(compiler, directory)
    t.not(code, 0)
    t.match(output, /not-the-type\.ts\(5,\d+\): error TS2554/)
    t.match(output, /any\.ts\(3,\d+\): error TS2554/)
    t.match(output, /no-mistake\.ts\(4,\d+\): error TS2578/)
    t.match(
      output,
      /wrong-name\.ts\(5,\d+\): .*"join" \| "say"/,
      'a name that is none is told with those that there are'
    )
    t.match(output, /wrong-name\.ts\(6,\d+\): .*"bye" \| "hello"/)
    t.equal(output.match(/error TS/g)?.length, 5, 'and nothing else is wrong')
  })
}
