import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import {
  connect,
  type ClientOptions,
  type ContractRoute,
  type SocketClient,
  type UnknownRoute
} from '../../src/client/index.js'
import { Client } from '../support/client.js'
import type { Tick } from './clock.js'

/** How a server of the tests answers an upgrade. */
export interface WireServerOptions {
  readonly port?: undefined | number
  /** The status with which upgrades are refused; none lets in. */
  refusal?: undefined | number
}

/** A server that says nothing by itself: each test speaks the protocol by hand. */
export class WireServer {
  readonly port: number
  /** The sub-protocols that each connection has asked for. */
  readonly offered: string[][] = []
  /** The address, with its query, that each connection has asked for. */
  readonly asked: string[] = []
  readonly #server: WebSocketServer
  readonly #accepted: Client[] = []
  readonly #waiting: Array<(connection: Client) => void> = []

  constructor (server: WebSocketServer) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket, request) => {
      this.offered.push((request.headers['sec-websocket-protocol'] ?? '').split(',').map(
        (name) => name.trim()
      ))
      this.asked.push(request.url!)
      const connection = new Client(socket)
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#accepted.push(connection)
      else waiting(connection)
    })
  }

  /** Starts a server; it is stopped when the test ends. */
  static async start (t: Test, options: WireServerOptions = {}): Promise<WireServer> {
    const ws = new WebSocketServer({
      host: '127.0.0.1',
      port: options.port ?? 0,
      handleProtocols: (names) => names.has('bearer') ? 'bearer' : [...names][0] ?? false,
      verifyClient: (_info, answer) => { answer(options.refusal === undefined, options.refusal) }
    })
    await once(ws, 'listening')
    const server = new WireServer(ws)
    t.teardown(() => server.stop())
    return server
  }

  get url (): string {
    return `ws://127.0.0.1:${this.port}/`
  }

  /** The next connection; waits for it. */
  async accept (): Promise<Client> {
    return this.#accepted.shift() ?? await new Promise((resolve) => { this.#waiting.push(resolve) })
  }

  /** Whether a connection waits to be accepted. */
  get hasMore (): boolean {
    return this.#accepted.length > 0
  }

  /** Cuts every connection, and takes no more. */
  async stop (): Promise<void> {
    const closed = new Promise((resolve) => { this.#server.close(resolve) })
    for (const socket of this.#server.clients) socket.terminate()
    await closed
  }
}

/** Sends a message of the protocol. */
export function tell (connection: Client, message: object): void {
  connection.socket.send(JSON.stringify(message))
}

/**
 * A client of the tests, which reconnects within a few milliseconds; it is closed when the test
 * ends.
 */
export function connectTo<Route extends ContractRoute = UnknownRoute> (
  t: Test,
  address: Parameters<typeof connect>[0],
  options: ClientOptions = {}
): SocketClient<Route> {
  const client = connect<Route>(address, {
    WebSocket,
    reconnect: { minDelay: 1, maxDelay: 10 },
    ...options
  })
  t.teardown(() => { client.close() })
  return client
}

/**
 * A server, a client, and the server's side of its connection. @param tick of the clock, where it
 * stands still.
 */
export async function pair (t: Test, options: ClientOptions = {}, tick?: Tick): Promise<{
  server: WireServer
  client: SocketClient<UnknownRoute>
  connection: Client
}> {
  const server = await WireServer.start(t)
  const client = connectTo(t, server.url, options)
  await tick?.(0)
  const connection = await server.accept()
  await client.opened
  return { server, client, connection }
}
