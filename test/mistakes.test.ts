// What the compilers say: of mistakes, in one line that names them, and what they need to see that all is right.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { compilers } from './support/compilers.js'

// A compiler takes its seconds, on a busy machine many.
const timeout = 300_000
t.setTimeout(timeout)

const root = process.cwd()

/** Compiles files that use the package as it is built; returns what the compiler prints. */
async function compile (t: Test, compiler: string, files: Record<string, string>, options: readonly string[] = []): Promise<string> {
  const tsconfig = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { paths: { 'fastify-socket-route': [join(root, 'dist/index.d.ts')] }, noUnusedLocals: false, noUnusedParameters: false, declaration: false },
    files: Object.keys(files)
  }
  const directory = t.testdir({ ...files, 'tsconfig.json': JSON.stringify({ ...tsconfig, include: [] }) })
  const tsc = join(root, 'node_modules', compiler, 'lib', 'tsc.js')
  const run = promisify(execFile)(process.execPath, [tsc, '--noEmit', '--pretty', 'false', '-p', directory, ...options], { cwd: root })
  return await run.then(({ stdout }) => stdout, ({ stdout }: { stdout: string }) => stdout)
}

const prelude = `
  import Fastify from 'fastify'
  import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
  import 'fastify-socket-route'
  const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
  const Text = Type.Object({ text: Type.String() })
`

// Each with what is to be told first, without the arguments of generic types.
const mistakes: ReadonlyArray<readonly [code: string, told: string]> = [
  ["app.socketRoute('/', { schema: { in: { say: { data: Text } }, out: { line: Text } }, on: { sya (connection, { text }) { connection.send('line', { text }) } } })",
    "Object literal may only specify known properties, and 'sya' does not exist in type 'Handlers'."],
  ["app.socketRoute('/', { schema: { in: { say: { data: Text, reply: Type.Integer() } } }, on: { say (_connection, { text }) { return text } } })",
    "Type '(_connection: WsConnection, { text }: { ...; }) => string' is not assignable to type '(connection: WsConnection, data: { ...; }, context: MessageContext) => number | Promise'."],
  ["app.socketRoute('/', { onMessage () {} }, 5)",
    "Argument of type '5' is not assignable to parameter of type 'SocketRouteOptions | Grant | undefined'."],
  ["app.socketRoute('/', { onMessage () {} }, { isGranted: (user) => user !== null, origin: '*' })",
    "Object literal may only specify known properties, but 'origin' does not exist in type 'SocketRouteOptions'. Did you mean to write 'origins'?"],
  ["app.socketRoute('/', { schema: { in: { say: {} } }, on: { say () {} } }, { isGranted: 'ROLE_USER', maxPayloads: 5 })",
    "Object literal may only specify known properties, but 'maxPayloads' does not exist in type 'SocketRouteOptions'. Did you mean to write 'maxPayload'?"],
  ["app.socketRoute('/', { schema: { in: { say: {} }, out: { line: Text } }, on: { say (connection) { connection.send('lien', { text: '' }) } } })",
    "Argument of type '\"lien\"' is not assignable to parameter of type '\"line\"'."],
  ["app.socketRoute('/', { schema: { in: { say: {} }, out: { bye: null, line: Text } }, on: { say (connection) { connection.send('line', { text: 1 }) } } })",
    "Type 'number' is not assignable to type 'string'."],
  ["app.socketRoute('/:room', { onOpen: (connection) => connection.params.romm })",
    "Property 'romm' does not exist on type '{ room: string; }'."],
  ["app.socketRoute('/', { on: { say () {} } })",
    "Type '{ say(): void; }' is not assignable to type '\"a controller with `on` needs a contract beside it: `schema: { in, out }`\"'."],
  ["app.socketRoute('/', { schema: { in: { say: {} } }, on: {} })",
    "Property 'say' is missing in type '{}' but required in type 'Handlers'."],
  ["app.socketRoute('/', { onMessage: (_connection, message) => message.bytes.length })",
    "Type '(_connection: WsConnection, message: Message) => number' is not assignable to type '(connection: WsConnection, message: Message, clients: Clients) => Returned'."],
  ["app.socketRoute('/', { onMessage () {} }, { isGranted: 5 })",
    "Type 'number' is not assignable to type 'Grant | undefined'."],
  ["app.socketRoute('/', { onOpen () {}, onMesage () {} })",
    "Object literal may only specify known properties, and 'onMesage' does not exist in type 'SocketControllerClass | (SocketController & WithoutContract)'."],
  ["app.socketRoute('/', { onOpen (connection) { connection.data.cuont++ } }, { data: () => ({ count: 0 }) })",
    "Property 'cuont' does not exist on type '{ count: number; }'. Did you mean 'count'?"],
  ["app.socketRoute<{ Data: { count: number } }>('/', { schema: { in: {} }, on: {} })",
    "Type '{ in: {}; }' is not assignable to type '\"where generics are given, the contract is one of them: `Contract: typeof schema`\"'."]
]

// The arguments of generic types are long, and cut off where each compiler likes.
function withoutArguments (text: string): string {
  const shorter = text.replaceAll('=>', '→').replace(/<[^<>]*>/g, '')
  return shorter === text.replaceAll('=>', '→') ? text.replaceAll('→', '=>') : withoutArguments(shorter)
}

const messages = (count: number, ofOne: (name: string) => string) => Array.from({ length: count }, (_, index) => ofOne(`message${index}`)).join(',\n')

/** A contract of so many messages; 'onOpen' as well. */
const contract = (count: number, onOpen: string) => `${prelude}
  export const chat = app.socketRoute('/chat', {
    schema: { in: { ${messages(count, (name) => `${name}: { data: Type.Object({ text: Type.String(), ${name}: Type.Number() }), reply: Type.Integer() }`)} }, out: { line: Text } },
    ${onOpen}
    on: { ${messages(count, (name) => `${name} (connection, { text }, { clients }) { clients.broadcast('line', { text }, { except: connection }); return 1 }`)} }
  })`

for (const [name, compiler] of compilers) {
  t.test(`${name} tells a mistake in its first line`, { timeout }, async (t) => {
    const nameOf = (index: number) => `mistake-${index}.ts`
    const output = await compile(t, compiler, Object.fromEntries(mistakes.map(([code], index) => [nameOf(index), `${prelude}\n${code}`])))
    for (const [index, [code, told]] of mistakes.entries()) {
      const lines = output.split('\n').filter((line) => line.includes(`${nameOf(index)}(`))
      t.equal(withoutArguments(lines[0]?.replace(/^.*?: error TS\d+: /, '') ?? 'nothing'), told, code)
    }
    t.notMatch(output, /No overload/)
  })

  t.test(`${name} needs few instantiations, with and without onOpen, for one message and for ten`, { timeout }, async (t) => {
    const onOpen = "onOpen (connection) { connection.send('line', { text: connection.id }) },"
    const output = await compile(t, compiler, {
      'registered.ts': `${prelude}
        import socketRoutes from 'fastify-socket-route'
        await app.register(socketRoutes)
        app.socketRoute('/raw', { onOpen: (connection) => connection.id, onMessage (connection, message, clients) { clients.broadcast(message, { except: connection }) } }, 'ROLE_USER')`,
      'one.ts': contract(1, ''),
      'one-and-open.ts': contract(1, onOpen),
      'ten.ts': contract(10, ''),
      'ten-and-open.ts': contract(10, onOpen)
    }, ['--extendedDiagnostics', ...(compiler === 'typescript' ? [] : ['--singleThreaded'])])
    t.notMatch(output, /error TS/)
    const count = Number(/^Instantiations: +(\d+)$/m.exec(output)?.[1])
    t.ok(count > 1_000 && count < 150_000, `${count} for all of them together`)
  })
}
