import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { connect as connectTcp, type Socket } from 'node:net'
import { WebSocket, type ClientOptions } from 'ws'
import { pause } from './until.js'
import { mustNotBeLogged } from './witness.js'

/** A message as a client got it: text as a string, binary as a Buffer. */
export type Received = string | Buffer

/** How a connection ended, as the client saw it. */
export interface Closed {
  readonly code: number
  readonly reason: string
}

/** A WebSocket client that loses no message, however late it is read. */
export class Client {
  readonly socket: WebSocket
  /** Resolves when the connection is closed. */
  readonly closed: Promise<Closed>
  readonly #received: Received[] = []
  readonly #waiting: Array<(message: Received) => void> = []

  constructor (socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer, isBinary) => {
      const message = isBinary ? data : data.toString('utf8')
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#received.push(message)
      else waiting(message)
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => { resolve({ code, reason: reason.toString() }) })
    })
  }

  /** The next message; waits for it. Rejects when the connection ends instead. */
  async next (): Promise<Received> {
    const message = this.#received.shift()
    if (message !== undefined) return message
    return await Promise.race([
      new Promise<Received>((resolve) => { this.#waiting.push(resolve) }),
      this.closed.then(({ code }) => {
        throw new Error(`closed with ${code} instead of a message`)
      })
    ])
  }

  /** The next messages. */
  async take (count: number): Promise<Received[]> {
    const messages: Received[] = []
    while (messages.length < count) messages.push(await this.next())
    return messages
  }

  /** The next message, parsed as JSON. */
  async json (): Promise<unknown> {
    return JSON.parse(String(await this.next()))
  }

  /** Messages that were not read yet. */
  get unread (): readonly Received[] {
    return this.#received
  }

  send (data: string | Uint8Array): void {
    if (typeof data === 'string') mustNotBeLogged(data)
    this.socket.send(data)
  }

  /** Closes, and waits until it is closed. */
  async close (code?: number, reason?: string): Promise<Closed> {
    this.socket.close(code, reason)
    return await this.closed
  }
}

/** Connects, and waits until the connection is open. Rejects if it is refused. */
export async function connect (
  url: string,
  protocols: string[] = [],
  options: ClientOptions = {}
): Promise<Client> {
  const socket = new WebSocket(url, protocols, options)
  const client = new Client(socket)
  await once(socket, 'open')
  return client
}

/**
 * Connects as soon as there is room: a cap counts a connection until its socket is closed at the
 * server as well.
 */
export async function connectWhenFree (...[
  url,
  protocols,
  options
]: Parameters<typeof connect>): Promise<Client> {
  for (let count = 0; ; count++) {
    try {
      return await connect(url, protocols, options)
    } catch (error) {
      if (!/ (429|503)$/.test((error as Error).message)) throw error
    }
    await pause(count)
  }
}

/** Connects with a token in the Authorization header. */
export async function connectAs (
  token: string,
  url: string,
  protocols?: string[]
): Promise<Client> {
  return await connect(url, protocols, { headers: { authorization: `Bearer ${token}` } })
}

/** The answer to a refused upgrade. */
export interface Refusal {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The body, parsed as JSON. */
  readonly body: { readonly code?: string, readonly message?: string }
}

/** Asks for an upgrade that is refused. Rejects if it is not. */
export async function refusal (
  url: string,
  protocols: string[] = [],
  options: ClientOptions = {}
): Promise<Refusal> {
  const socket = new WebSocket(url, protocols, options)
  return await new Promise((resolve, reject) => {
    socket.on('open', () => {
      socket.terminate()
      reject(new Error('the upgrade was not refused'))
    })
    socket.on('error', reject)
    socket.on('unexpected-response', (_request, response) => {
      let text = ''
      response.on('data', (chunk) => { text += String(chunk) })
      response.on('end', () => {
        resolve({ status: response.statusCode!, headers: response.headers, body: JSON.parse(text) })
      })
    })
  })
}

/** A TCP connection that can say what no WebSocket client would. */
export async function tcp (url: string): Promise<Socket> {
  const { port } = new URL(url)
  const socket = connectTcp(Number(port), '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

/**
 * The text of an upgrade request, to be written to a TCP connection; a header of `undefined` is
 * left out.
 */
export function handshake (
  path: string,
  headers: Record<string, undefined | string> = {},
  start = `GET ${path} HTTP/1.1`
): string {
  const all: Record<string, undefined | string> = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers
  }
  const lines = Object.entries(all).filter(([, value]) => value !== undefined).map(
    ([name, value]) => `${name}: ${value}`
  )
  return [start, ...lines, '', ''].join('\r\n')
}

/** A client's frame with a mask of zeroes (RFC 6455 section 5.2); up to 125 bytes. */
export function frame (data: string | Buffer, opcode = 0x1): Buffer {
  const payload = Buffer.from(data)
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}

/** All that comes on a TCP connection until it ends. */
export async function readAll (socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}
