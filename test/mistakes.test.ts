// The messages of the compilers, which name a mistake in their first line, and the work that the
// types are for them.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { compilers } from './support/compilers.js'

// A compiler takes its seconds, on a busy machine many.
const timeout = 300_000
t.setTimeout(timeout)

const root = process.cwd()

/** Compiles files that use the package as it is built; returns the output of the compiler. */
async function compile (
  t: Test,
  compiler: string,
  files: Record<string, string>,
  options: readonly string[] = []
): Promise<string> {
  const tsconfig = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      paths: { 'fastify-socket-route': [join(root, 'dist/index.d.ts')] },
      noUnusedLocals: false,
      noUnusedParameters: false,
      declaration: false
    },
    files: Object.keys(files)
  }
  const config = JSON.stringify({ ...tsconfig, include: [] })
  const directory = t.testdir({ ...files, 'tsconfig.json': config })
  const tsc = join(root, compiler, 'lib', 'tsc.js')
  const args = [tsc, '--noEmit', '--pretty', 'false', '-p', directory, ...options]
  const run = promisify(execFile)(process.execPath, args, { cwd: root })
  return await run.then(({ stdout }) => stdout, ({ stdout }: { stdout: string }) => stdout)
}

const prelude = `
  import Fastify from 'fastify'
  import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
  import 'fastify-socket-route'
  const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
  const Text = Type.Object({ text: Type.String() })
  async function * ticks () { yield 'a' }
  const stream = ticks()
`

// Each compiler has another order for the members of a union.
function inOrder (text: string): string {
  return text.replace(/\w+(?: \| \w+)+/g, (union) => union.split(' | ').sort().join(' | '))
}

// A route with a contract: the schemas of its messages, and its handlers.
const withContract = (schema: string, on: string, rest = '') =>
  `app.socketRoute('/', { schema: { ${schema} }, on: { ${on} } }${rest})`
const asks = 'in: { say: { data: Text, reply: Type.Integer() } }'
const sends = 'in: { say: {} }, out: { bye: null, line: Text }'

// Each program with the first line about it, without the arguments of generic types.
const mistakes: ReadonlyArray<readonly [code: string, told: string]> = [
  // A role that is a number, alone and among options.
  ["app.socketRoute('/', { onMessage () {} }, 5)",
    "Argument of type '5' is not assignable to parameter of type " +
    "'SocketRouteOptions | Grant | undefined'."],
  ["app.socketRoute('/', { onMessage () {} }, { isGranted: 5 })",
    "Type 'number' is not assignable to type 'Grant | undefined'."],
  // An option with a typing error, beside a predicate and with a contract.
  ["app.socketRoute('/', { onMessage () {} }, { isGranted: (user) => user !== null, origin: '*' })",
    "Object literal may only specify known properties, but 'origin' does not exist in type " +
    "'SocketRouteOptions'. Did you mean to write 'origins'?"],
  [withContract(sends, 'say () {}', ", { isGranted: 'ROLE_USER', maxPayLoad: 5 }"),
    "Object literal may only specify known properties, but 'maxPayLoad' does not exist in type " +
    "'SocketRouteOptions'. Did you mean to write 'maxPayload'?"],
  // A callback that returns what cannot be sent.
  ["app.socketRoute('/', { onMessage: () => 42 })",
    "Type '() => number' is not assignable to type " +
    "'(connection: WsConnection, message: Message, clients: Clients) => Returned'."],
  ["app.socketRoute('/', { async onMessage () { return 42 } })",
    "Type '() => Promise' is not assignable to type " +
    "'(connection: WsConnection, message: Message, clients: Clients) => Returned'."],
  ["app.socketRoute('/', { onMessage: (_connection, message) => message.bytes.length })",
    "Type '(_connection: WsConnection, message: Message) => number' is not assignable to type " +
    "'(connection: WsConnection, message: Message, clients: Clients) => Returned'."],
  // Handlers and callbacks: an unknown name, a missing one, a wrong reply.
  [withContract(sends, "sya (connection) { connection.send('bye') }"),
    "Object literal may only specify known properties, and 'sya' does not exist in type " +
    "'Handlers'."],
  [withContract(sends, ''),
    "Property 'say' is missing in type '{}' but required in type 'Handlers'."],
  [withContract(asks, 'say (_connection, { text }) { return text }'),
    "Type '(_connection: WsConnection, { text }: { text: string; }) => string' is not " +
    "assignable to type '(connection: WsConnection, data: { text: string; }, " +
    "context: MessageContext) => number | Promise'."],
  [withContract(asks, 'say: (_connection, { text }) => text'),
    "Type 'string' is not assignable to type 'number | Promise'."],
  ["app.socketRoute('/', { onOpen () {}, onMesage () {} })",
    "Object literal may only specify known properties, and 'onMesage' does not exist in type " +
    "'PlainController | SocketControllerClass'."],
  // Sending: an unknown event, wrong data, a stream, an id where a connection is left out.
  [withContract(sends, "say (connection) { connection.send('lien', { text: '' }) }"),
    "Argument of type '\"lien\"' is not assignable to parameter of type '\"bye\" | \"line\"'."],
  [withContract(sends, "say (connection) { connection.send('line', { text: 1 }) }"),
    "Type 'number' is not assignable to type 'string'."],
  ["app.socketRoute('/', { onOpen (connection) { connection.send(stream) } })",
    "Argument of type 'AsyncGenerator' is not assignable to parameter of type 'Sendable'."],
  ["app.socketRoute('/', { onOpen: ({ id }, clients) => clients.broadcast('a', { except: id }) })",
    "Type 'string' is not assignable to type 'WsConnection | Iterable | undefined'."],
  [withContract(sends, "say ({ id }, _data, { clients }) { clients.to('a', { except: id }) }"),
    "Type 'string' is not assignable to type 'WsConnection | Iterable | undefined'."],
  // Types of a connection.
  ["app.socketRoute('/:room', { onOpen: (connection) => connection.params.romm })",
    "Property 'romm' does not exist on type '{ room: string; }'."],
  ["app.socketRoute('/', { onOpen ({ data }) { data.cuont++ } }, { data: () => ({ count: 0 }) })",
    "Property 'cuont' does not exist on type '{ count: number; }'. Did you mean 'count'?"],
  // A contract that is missing, or not among the generics.
  ["app.socketRoute('/', { on: { say () {} } })",
    "Type '{ say(): void; }' is not assignable to type " +
    "'\"a controller with `on` needs a contract beside it: `schema: { in, out }`\"'."],
  ["app.socketRoute<{ Data: { count: number } }>('/', { schema: { in: {} }, on: {} })",
    "Type '{ in: {}; }' is not assignable to type '\"where generics are given, " +
    "the contract is one of them: `Contract: typeof schema`\"'."]
]

// The arguments of generic types are long, and each compiler cuts them off at another place.
function withoutArguments (text: string): string {
  const shorter = text.replaceAll('=>', '→').replace(/<[^<>]*>/g, '').replaceAll('→', '=>')
  return shorter === text ? text : withoutArguments(shorter)
}

const messages = (count: number, ofOne: (name: string) => string) =>
  Array.from({ length: count }, (_, index) => ofOne(`message${index}`)).join(',\n')

/** Returns a route with a contract of so many messages, and with the given callback. */
const contract = (count: number, onOpen: string) => {
  const data = (name: string) => `Type.Object({ text: Type.String(), ${name}: Type.Number() })`
  const message = (name: string) => `${name}: { data: ${data(name)}, reply: Type.Integer() }`
  const handler = (name: string) => `${name} (connection, { text }, { clients }) {
    clients.broadcast('line', { text }, { except: connection })
    return 1
  }`
  return `${prelude}
    export const chat = app.socketRoute('/chat', {
      schema: {
        in: { ${messages(count, message)} },
        out: { line: Text }
      },
      ${onOpen}
      on: { ${messages(count, handler)} }
    })`
}

for (const [name, compiler] of compilers) {
  t.test(`${name} names a mistake in its first line`, { timeout }, async (t) => {
    const nameOf = (index: number) => `mistake-${index}.ts`
    const programs = mistakes.map(([code], index) => [nameOf(index), `${prelude}\n${code}`])
    const output = await compile(t, compiler, Object.fromEntries(programs))
    for (const [index, [code, told]] of mistakes.entries()) {
      const lines = output.split('\n').filter((line) => line.includes(`${nameOf(index)}(`))
      const first = lines[0]?.replace(/^.*?: error TS\d+: /, '') ?? 'nothing'
      t.equal(inOrder(withoutArguments(first)), inOrder(told), code)
    }
    t.notMatch(output, /No overload/)
  })

  t.test(`${name} needs few instantiations, with and without onOpen`, { timeout }, async (t) => {
    const onOpen = "onOpen (connection) { connection.send('line', { text: connection.id }) },"
    const output = await compile(t, compiler, {
      'registered.ts': `${prelude}
        import socketRoutes from 'fastify-socket-route'
        await app.register(socketRoutes)
        app.socketRoute('/raw', {
          onOpen: (connection) => connection.id,
          onMessage (connection, message, clients) {
            clients.broadcast(message, { except: connection })
          }
        }, 'ROLE_USER')`,
      'one.ts': contract(1, ''),
      'one-and-open.ts': contract(1, onOpen),
      'ten.ts': contract(10, ''),
      'ten-and-open.ts': contract(10, onOpen)
    }, ['--extendedDiagnostics', ...(name === 'TypeScript 7' ? ['--singleThreaded'] : [])])
    t.notMatch(output, /error TS/)
    const count = Number(/^Instantiations: +(\d+)$/m.exec(output)?.[1])
    t.ok(count > 1_000 && count < 150_000, `${count} for all of them together`)
  })
}
