// Private parts of Fastify may be missing or different in another version.
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import {
  closesUnlistened,
  furtherServers,
  replaceRaw,
  wrapRouting
} from '../../src/host/fastify-internals.js'
import socketRoutes from '../../src/index.js'
import { compactRequest } from '../../src/socket/compact-request.js'
import { connect, refusal } from '../support/client.js'
import { createApp, fastPath, listen } from '../support/server.js'

const parts = ['fastify.schemaController', 'fastify.serverBindings', 'fastify.options']

// A Fastify of another version, to the plugin: symbols with these descriptions cannot be found.
function hide (t: Test, ...names: readonly string[]): void {
  t.intercept(Object, 'getOwnPropertySymbols', {
    value: (object: object) => Reflect.ownKeys(object).filter((key) => typeof key === 'symbol' &&
      !names.includes(key.description!))
  })
}

interface Logged {
  readonly level: number
  readonly missing?: string
  readonly msg: string
}

async function loggingApp (t: Test): Promise<{ app: FastifyInstance, lines: Logged[] }> {
  const lines: Logged[] = []
  const stream = { write (line: string) { lines.push(JSON.parse(line) as Logged) } }
  return { app: await createApp(t, { fastify: { logger: { level: 'warn', stream } } }), lines }
}

t.test('nothing is missing in the Fastify that is installed', async (t) => {
  const { lines } = await loggingApp(t)
  t.strictSame(lines, [])
})

for (const missing of parts) {
  t.test(`an app works with a Fastify without ${missing}; the log has the loss`, async (t) => {
    hide(t, missing)
    const { app, lines } = await loggingApp(t)
    app.socketRoute('/', { onMessage: (_connection, message) => message })
    const client = await connect(await listen(app))
    client.socket.send('hello')
    t.equal(await client.next(), 'hello')
    t.strictSame(lines.map((line) => line.missing), [missing])
    t.match(lines[0]!.msg, new RegExp(`^fastify ${app.version} has no Symbol\\(${missing}\\)`))
    client.socket.terminate()
  })
}

for (const missing of ['fastify.schemaController', 'fastify.options']) {
  t.test(`a contract needs the app's compilers with a Fastify without ${missing}`, async (t) => {
    hide(t, missing)
    const contract = {
      schema: { in: { greet: { data: { type: 'string' } } } },
      on: { greet () {} }
    }
    const app = await createApp(t)
    app.socketRoute('/', contract)
    await t.rejects(async () => app.ready(), {
      code: 'FSR_ERR_CONTRACT_INVALID',
      message: new RegExp(
        `^The contract of '/' cannot be compiled, as there are no compilers: fastify ${app.version} has no Symbol\\(${missing}\\)\\. Call setValidatorCompiler\\(\\) and setSerializerCompiler\\(\\)$`
      )
    })
    const other = await createApp(t)
    other.setValidatorCompiler(() => () => true)
    other.setSerializerCompiler(() => () => '')
    other.socketRoute('/', contract)
    await t.resolves(async () => other.ready())
  })
}

t.test('the servers of further addresses are found from any scope', async (t) => {
  const app = Fastify()
  await app.register(async (scope) => { t.equal(furtherServers(scope), furtherServers(app)) })
  await app.ready()
  t.ok(Array.isArray(furtherServers(app)))
  t.strictSame(furtherServers({}), [])
  t.strictSame(furtherServers({ [Symbol('fastify.serverBindings')]: 'other' }), [])
})

t.test('Fastify closes a server of its own, also if the app has not called listen()', async (t) => {
  const { createServer } = await import('node:http')
  t.equal(closesUnlistened(Fastify()), true)
  t.equal(closesUnlistened(Fastify({ serverFactory: (handler) => createServer(handler) })), false)
  t.equal(closesUnlistened({}), false)
  t.equal(closesUnlistened({ [Symbol('fastify.options')]: null }), false)
})

t.test('a Fastify whose routing() cannot be replaced is rejected', async (t) => {
  const fixed: PropertyDescriptor[] = [
    { get: () => () => {} },
    { value: () => {}, writable: false },
    { value: undefined, writable: true }
  ]
  for (const property of fixed) {
    const app = Fastify()
    Object.defineProperty(app, 'routing', property)
    app.register(socketRoutes, fastPath)
    await t.rejects(async () => app.ready(), {
      code: 'FSR_ERR_PACKAGE_UNSUPPORTED',
      message: `fastify ${app.version} is not supported by this version of fastify-socket-route: routing() cannot be replaced. Install another version of one of the two`
    })
  }
  t.throws(
    () => wrapRouting({ version: '6.0.0' } as FastifyInstance, (routing) => routing),
    { message: /^fastify 6\.0\.0 / }
  )
})

t.test('connections are closed also by a Fastify without early onClose hooks', async (t) => {
  const app = await createApp(t, { fastify: { return503OnClosing: false } })
  app.socketRoute('/', { onMessage () {}, onClose: async () => { refused = await refusal(url) } })
  let refused: undefined | object
  const { addHook } = app
  const ofReady: unknown[] = []
  app.addHook = function (this: FastifyInstance, ...given: unknown[]) {
    if (given[0] !== 'onClose') return Reflect.apply(addHook, this, given)
    ofReady.push(given[1])
    return this
  } as never
  const url = await listen(app)
  const client = await connect(url)
  await app.close()
  t.equal((await client.closed).code, 1012)
  t.match(refused, { status: 503, body: { code: 'FSR_ERR_CLOSING' } })
  t.equal(ofReady.length, 1)
})

t.test('a request whose raw request cannot be replaced keeps it', async (t) => {
  const raw = Object.assign(new IncomingMessage(new Socket()), { url: '/' })
  const fixed = Object.defineProperty({}, 'raw', { get: () => raw }) as FastifyRequest
  t.equal(replaceRaw(fixed, {}), false)
  compactRequest(fixed)
  t.equal(fixed.raw, raw)
  const [kBody, kOther] = [Symbol('body'), Symbol('other')]
  const request = { raw, [kBody]: raw, [kOther]: 1 }
  const other = {}
  t.equal(replaceRaw(request as unknown as FastifyRequest, other), true)
  t.strictSame([request.raw, request[kBody], request[kOther]], [other, other, 1])
})
