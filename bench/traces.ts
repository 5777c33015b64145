// The work of the plugin is recorded call by call, to see through how many files a reader has to
// follow it.
import { EventEmitter, once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import Fastify from 'fastify'
import type { SocketRouteHandle } from 'fastify-socket-route'
import { WebSocket } from 'ws'
import { loadInstrumented, type Call, type Instrumented } from './instrument.js'

/** The forms of the plugin that are traced, with its options. */
export const forms = {
  'fast path': { fastPath: true },
  'reads by ws': { fastPath: 'write' },
  'fastPath: false': { fastPath: false }
} as const

export type FormName = keyof typeof forms

/** The counts of a trace. */
export interface Counts {
  readonly calls: number
  /** Runs of calls within one file. */
  readonly stays: number
  /** Files with a call. */
  readonly files: number
  /** Stays in a file that an earlier stay was in. */
  readonly returns: number
}

export function countsOf (calls: readonly Call[]): Counts {
  const files = new Set(calls.map(({ file }) => file)).size
  const stays = calls.filter(({ file }, index) => file !== calls[index - 1]?.file).length
  return { calls: calls.length, stays, files, returns: stays - files }
}

// A server, and what its connections tell.
interface Server {
  readonly url: string
  readonly all: SocketRouteHandle
  /** `open` and `close`, when the callback of a connection has run. */
  readonly events: EventEmitter
  readonly record: Instrumented['record']
}

type Scenario = (server: Server) => Promise<Call[]>

const REQUEST = JSON.stringify({ type: 'greet', id: 1, data: { name: 'alice' } })

const scenarios: Readonly<Record<string, Scenario>> = {
  'raw text echoed': (server) => tracedExchange(server, '/echo', 'hello'),
  'route.broadcast to two': async (server) => {
    const clients = [await connect(server, '/all'), await connect(server, '/all')]
    const calls = await server.record(async () => {
      server.all.broadcast('hello')
      await Promise.all(clients.map((client) => once(client, 'message')))
      await settled()
    })
    for (const client of clients) await leave(server, client)
    return calls
  },
  'contract request and its reply': (server) => tracedExchange(server, '/contract', REQUEST),
  'upgrade without a guard': async (server) => {
    let client: undefined | WebSocket
    const calls = await server.record(async () => { client = await connect(server, '/echo') })
    await leave(server, client!)
    return calls
  },
  'close by the client': async (server) => {
    const client = await connect(server, '/echo')
    return await server.record(() => leave(server, client))
  }
}

/** Traces everything, in every form. */
export async function traceAll (): Promise<Map<string, Record<FormName, Call[]>>> {
  const traces = new Map<string, Record<FormName, Call[]>>()
  const instrumented = await loadInstrumented()
  for (const form of Object.keys(forms) as FormName[]) {
    await withServer(instrumented, form, async (server) => {
      for (const [name, scenario] of Object.entries(scenarios)) {
        const calls = await steady(() => scenario(server))
        traces.set(name, { ...traces.get(name)!, [form]: calls })
      }
    })
  }
  return traces
}

// The first times make what lasts, and at any time a timer of the plugin may run: a trace counts
// when it comes twice in a row.
async function steady (trace: () => Promise<Call[]>): Promise<Call[]> {
  let before = ''
  for (let left = 20; left > 0; left--) {
    const calls = await trace()
    const text = JSON.stringify(calls)
    if (text === before) return calls
    before = text
  }
  throw new Error('no trace comes twice in a row')
}

async function withServer (
  { plugin, record }: Instrumented, form: FormName, run: (server: Server) => Promise<void>
): Promise<void> {
  const app = Fastify()
  const events = new EventEmitter()
  const lifecycle = {
    onOpen () { events.emit('open') },
    onClose () { events.emit('close') }
  }
  await app.register(plugin, forms[form])
  const all = app.socketRoute('/all', lifecycle)
  app.socketRoute('/echo', { ...lifecycle, onMessage: (_connection, message) => message.text })
  const properties = { name: { type: 'string' } }
  const schema = { type: 'object', properties, required: ['name'] }
  app.socketRoute('/contract', {
    ...lifecycle,
    schema: { in: { greet: { data: schema, reply: schema } } },
    on: { greet: (_connection, data) => data }
  })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const server = { url: address.replace('http', 'ws'), all, events, record }
  try {
    // One connection stays, so that none of the traced ones is the first or the last.
    const resident = await connect(server, '/echo')
    await run(server)
    await leave(server, resident)
  } finally {
    await app.close()
  }
}

async function connect (server: Server, path: string): Promise<WebSocket> {
  const client = new WebSocket(server.url + path)
  await Promise.all([once(client, 'open'), once(server.events, 'open')])
  await settled()
  return client
}

async function leave (server: Server, client: WebSocket): Promise<void> {
  client.close(1000)
  await Promise.all([once(client, 'close'), once(server.events, 'close')])
  await settled()
}

// The second message of a connection: with the first one it makes what lasts as long as it does.
async function tracedExchange (server: Server, path: string, message: string): Promise<Call[]> {
  const client = await connect(server, path)
  const exchange = async (): Promise<void> => {
    client.send(message)
    await once(client, 'message')
    await settled()
  }
  await exchange()
  const calls = await server.record(exchange)
  await leave(server, client)
  return calls
}

// Lets the work of the following turns end.
async function settled (): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await nextTurn()
}
