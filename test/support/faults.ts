import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect as connectTcp, type Socket } from 'node:net'
import Fastify, { type FastifyHttpOptions, type FastifyInstance } from 'fastify'
import jwt from '@fastify/jwt'
import type { Test } from 'tap'
import { kClock } from '../../src/clock.js'
import socketRoutes, {
  type SocketController,
  type SocketPluginOptions,
  type SocketRouteHandle,
  type SocketRouteOptions
} from '../../src/index.js'
import { connect, handshake } from './client.js'
import { StillClock, type TestClock } from './clock.js'
import { listen, SECRET } from './server.js'
import { traffic } from './traffic.js'
import { pause, until } from './until.js'
import { witnessed } from './witness.js'

// Timers of Node's own, such as that of the Date header, are not made by these; those of ws and of
// this plugin are.
const timers = new Set<NodeJS.Timeout & { _destroyed?: boolean, _repeat?: null | number }>()
for (const name of ['setTimeout', 'setInterval'] as const) {
  const original = globalThis[name] as (...args: unknown[]) => NodeJS.Timeout
  const counting = (...args: unknown[]) => {
    const timer = original(...args)
    timers.add(timer)
    return timer
  }
  globalThis[name] = Object.defineProperties(
    counting,
    Object.getOwnPropertyDescriptors(original)
  ) as never
}

// One timer for each setting: closeTimeout, handshakeTimeout, heartbeat.timeout, rate.per. They run
// out by themselves.
const SHARED_TIMERS = 4

/**
 * How often is looked until nothing is left: much longer than it ever should take. A slow machine
 * looks more seldom.
 */
const LOOKS = 4_000

const LOG_WARN = 40
const LOG_ERROR = 50

/** The figures that a fault must leave as they were. */
interface Left {
  resources: string[]
  files: number
  timers: { intervals: number, ref: number, shared: number }
  processListeners: Record<string, number>
}

interface LeftAtServer extends Left {
  connections: number
  clients: number
  websockets: number
  unclosed: number
  serverListeners: Record<string, number>
  websocketListeners: Record<string, number>
}

/**
 * An app with a route `/` that meets a fault, and a route `/echo` that has to work all the time.
 */
export interface FaultServer {
  readonly app: FastifyInstance
  readonly url: string
  /** The handle of `/`. */
  readonly route: SocketRouteHandle
  /** The close codes that `onClose` has got at `/`. */
  readonly codes: number[]
  /** Lines of the log of level warn and above. */
  readonly lines: Array<{ level: number, msg: string, code?: string }>
  /** How often `onOpen` has run at `/`. */
  readonly opened: number
  /** Time stands still until the test moves it, or waits for what needs it. */
  readonly clock: TestClock
  /** Closes the app, in as much time as that takes. */
  close (): Promise<void>
  /**
   * Asserts that the process is unharmed: another client gets its echo, and of the fault nothing is
   * left. The clients have to be closed before.
   */
  unharmed (): Promise<void>
  /** Asserts that after `app.close()` nothing at all is left. */
  gone (): Promise<void>
}

/** How the server of a fault is made. */
export interface FaultOptions {
  readonly fastify?: FastifyHttpOptions<Server>
  readonly plugin?: SocketPluginOptions
  /** Of the route `/`. @default an echo */
  readonly controller?: SocketController
  readonly route?: SocketRouteOptions
  /** Adds routes and hooks, before the app listens. */
  readonly setUp?: (app: FastifyInstance) => void
  /** @default one that stands still until the test moves it */
  readonly clock?: TestClock
  /** Whether errors may be logged. @default false */
  readonly logsErrors?: boolean
}

/** Starts the server of one fault, one at a time; it is closed when the test ends. */
export async function faultServer (t: Test, {
  fastify,
  plugin,
  controller = echo,
  route: options,
  setUp,
  clock = new StillClock(),
  logsErrors = false
}: FaultOptions = {}): Promise<FaultServer> {
  // Its resources are created once.
  await traffic()
  // The sockets of the test before may not be closed yet, nor the files of the modules that were
  // loaded.
  const beforeAll = await settled(
    async () => left(),
    ({ resources }) => !resources.some((name) => /^(?:TCP|Immediate|CloseReq|FSReq)/.test(name))
  )
  const lines: FaultServer['lines'] = []
  const write = (line: string) => {
    const entry = JSON.parse(line) as FaultServer['lines'][number]
    if (entry.level >= LOG_WARN) lines.push(entry)
  }
  const app = Fastify({ logger: witnessed({ stream: { write } }), ...fastify })
  const close = async () => { await clock.during(app.close()) }
  t.teardown(close)
  await app.register(jwt, { secret: SECRET })
  await app.register(socketRoutes, { ...plugin, [kClock]: clock } as object)
  let opened = 0
  const codes: number[] = []
  const route = app.socketRoute('/', {
    ...controller,
    onOpen: (connection, clients) => { opened++; return controller.onOpen?.(connection, clients) },
    onClose: (connection, closed, clients) => {
      codes.push(closed.code)
      return controller.onClose?.(connection, closed, clients)
    }
  }, options ?? {})
  app.socketRoute('/echo', echo)
  setUp?.(app)
  const url = await listen(app)

  const atServer = async (): Promise<LeftAtServer> => ({
    ...left(),
    connections: await new Promise((resolve) => {
      app.server.getConnections((_error, count) => { resolve(count) })
    }),
    clients: [...app.socketRoutes.values()].reduce((sum, { clients }) => sum + clients.size, 0),
    websockets: app.websocketServer.clients.size,
    unclosed: opened - codes.length,
    serverListeners: listenersOf(app.server),
    websocketListeners: listenersOf(app.websocketServer)
  })
  const echoes = async () => {
    const client = await connect(`${url}/echo`)
    client.send('alive')
    const answer = await client.next()
    await client.close()
    return answer
  }

  // Resources created once, for the first connection, are no leak.
  await echoes()
  const before = await settled(atServer, (now) => now.connections === 0 &&
    now.resources.length === beforeAll.resources.length + 1)
  const server = {
    app,
    url,
    route,
    codes,
    lines,
    get opened () { return opened },
    clock,
    close,
    async unharmed () {
      t.equal(await echoes(), 'alive', 'a new client gets its echo')
      const now = await settled(
        atServer,
        (now) => isSame(now, before),
        async () => { await clock.advance(1_000) }
      )
      t.strictSame(now, bounded(now, before), 'nothing is left')
      if (!logsErrors) {
        t.strictSame(
          lines.filter(({ level }) => level >= LOG_ERROR),
          [],
          'no error is logged for what a client does'
        )
      }
    },
    async gone () {
      await close()
      const now = await settled(async () => left(), (now) => isSame(now, beforeAll))
      t.strictSame(now, bounded(now, beforeAll), 'nothing is left of the app')
      t.equal(opened - codes.length, 0, 'every onOpen has its onClose')
      if (plugin?.drain === undefined) {
        t.notOk(
          lines.some(({ msg }) => msg.includes('did not close in time')),
          'the drain had nothing to wait for'
        )
      }
    }
  }
  return server
}

const echo: SocketController = { onMessage: (_connection, message) => message }

function left (): Left {
  for (const timer of timers) if (timer._destroyed === true) timers.delete(timer)
  const all = [...timers]
  return {
    resources: process.getActiveResourcesInfo().sort(),
    files: existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0,
    timers: {
      intervals: all.filter((timer) => timer._repeat !== null).length,
      ref: all.filter((timer) => timer._repeat === null && timer.hasRef()).length,
      shared: all.filter((timer) => timer._repeat === null && !timer.hasRef()).length
    },
    processListeners: listenersOf(process)
  }
}

function listenersOf (emitter: NodeJS.EventEmitter): Record<string, number> {
  return Object.fromEntries(
    emitter.eventNames().map((name) => [String(name), emitter.listenerCount(name)]).sort()
  )
}

// The expected figures. Less than before is right too, as shared or foreign resources may end
// meanwhile.
function bounded<T extends Left> (now: T, before: T): T {
  const { intervals, ref, shared } = before.timers
  return {
    ...before,
    files: Math.min(now.files, before.files),
    timers: { intervals, ref, shared: Math.min(now.timers.shared, shared + SHARED_TIMERS) },
    processListeners: Object.fromEntries(Object.entries(now.processListeners).map(
      ([name, count]) => [name, Math.min(count, before.processListeners[name] ?? 0)]
    ))
  }
}

function isSame<T extends Left> (now: T, before: T): boolean {
  return JSON.stringify(now) === JSON.stringify(bounded(now, before))
}

// Looks until it is as it should be, or clear that it never will. @param between what happens
// between two looks
async function settled<T> (
  look: () => Promise<T>,
  isSettled: (now: T) => boolean,
  between = async (): Promise<void> => {}
): Promise<T> {
  let now = await look()
  for (let count = 0; !isSettled(now) && count < LOOKS; count++) {
    await pause(count)
    await between()
    now = await look()
  }
  return now
}

/** A TCP connection whose errors are part of the test. */
export interface Raw {
  readonly socket: Socket
  /** All that has come so far. */
  readonly received: () => Buffer
  /**
   * Waits until what has come holds this, or the connection is closed; answers all that has come,
   * in latin1.
   */
  until (contains: string | RegExp): Promise<string>
  /** Resolves when the connection is closed; with all that has come, in latin1. */
  readonly closed: Promise<string>
}

/**
 * Opens a TCP connection to a server; with `allowHalfOpen` it stays open after the server has ended
 * its side.
 */
export async function raw (url: string, { allowHalfOpen = false } = {}): Promise<Raw> {
  const { port } = new URL(url)
  const socket = connectTcp({ port: Number(port), host: '127.0.0.1', allowHalfOpen })
  const chunks: Buffer[] = []
  const text = () => Buffer.concat(chunks).toString('latin1')
  socket.on('error', () => {}).on('data', (chunk: Buffer) => { chunks.push(chunk) })
  // Not once(), which an error would reject.
  const closed = new Promise<string>((resolve) => { socket.on('close', () => { resolve(text()) }) })
  await once(socket, 'connect')
  return {
    socket,
    received: () => Buffer.concat(chunks),
    closed,
    async until (contains) {
      const holds = () => typeof contains === 'string'
        ? text().includes(contains)
        : contains.test(text())
      await until(() => holds() || socket.closed, `${String(contains)} has come`)
      return text()
    }
  }
}

/** Opens a WebSocket on a TCP connection, whose frames are to be written by hand. */
export async function rawOpen (url: string, path = '/', options = {}): Promise<Raw> {
  const client = await raw(url, options)
  client.socket.write(handshake(path))
  const head = await client.until('\r\n\r\n')
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`not opened: ${head}`)
  return client
}

/** The close code in the last frame of what came, if that is a close frame of the server's. */
export function closeCodeOf (bytes: Buffer): undefined | number {
  for (let at = bytes.indexOf('\r\n\r\n') + 4; at >= 4 && at + 2 <= bytes.length;) {
    const short = bytes[at + 1]! & 0x7f
    const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10)
    const length = short < 126
      ? short
      : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    if ((bytes[at]! & 0xf) === 0x8) {
      return length >= 2 && start + 2 <= bytes.length ? bytes.readUInt16BE(start) : 1005
    }
    at = start + length
  }
}

/**
 * A frame of a client's, masked with zeroes, with whatever the test wants to be wrong (RFC 6455
 * section 5.2).
 */
export function rawFrame ({
  opcode = 0x1,
  payload = '',
  isFinal = true,
  reserved = 0,
  isMasked = true,
  length
}: {
  opcode?: number
  payload?: string | Buffer
  isFinal?: boolean
  reserved?: number
  isMasked?: boolean
  length?: bigint | number
} = {}): Buffer {
  const data = Buffer.from(payload)
  const said = length ?? data.length
  const head = Buffer.alloc(typeof said === 'bigint' || said > 65_535 ? 10 : said > 125 ? 4 : 2)
  head[0] = (isFinal ? 0x80 : 0) | reserved << 4 | opcode
  head[1] = (isMasked ? 0x80 : 0) | (head.length === 10
    ? 127
    : head.length === 4 ? 126 : Number(said))
  if (head.length === 4) head.writeUInt16BE(Number(said), 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(said), 2)
  return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0), data])
}
