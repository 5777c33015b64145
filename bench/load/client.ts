import { connect, type Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import { clientFrame, parseFrame, pong, type Frame } from './frame.js'
import { ACCEPT } from './handshake-request.js'

/** The address of a server, and whether it uses TLS. */
export interface Address {
  readonly port: number
  readonly isSecure: boolean
}

/** How the frames look that are counted: all clients of a job share one. */
export interface Shape {
  size: number
  /** The first byte: text, compressed or not. */
  first: number
}

// All sockets are read into the same bytes, one after the other.
const input = Buffer.alloc(262_144)
// More addresses have more ports.
const PORTS = 20_000
let opened = 0

/** A connection, on a raw socket. It parses its frames until it is told to count them. */
export class Client {
  readonly socket: Socket
  /** Called with each frame, while frames are parsed. */
  onFrame: (frame: Frame) => void = () => {}
  /** Called with the number of frames that have become complete, while they are counted. */
  onCount: (count: number, client: Client) => void = () => {}
  readonly #onOpen: (error?: Error) => void
  readonly #isSecure: boolean
  #isOpen = false
  /** Not undefined while frames are counted. */
  #shape: undefined | Shape
  /** The remaining bytes of the frame that is being counted. */
  #left = 0
  /** Bytes that are not yet a whole frame. */
  #rest: undefined | Buffer

  constructor ({ port, isSecure }: Address, request: string, onOpen: (error?: Error) => void) {
    this.#onOpen = onOpen
    this.#isSecure = isSecure
    const localAddress = `127.0.0.${2 + Math.floor(opened++ / PORTS) % 250}`
    if (isSecure) {
      this.socket = connectSecurely({ port, host: '127.0.0.1', rejectUnauthorized: false })
      this.socket.setNoDelay(true)
      this.socket.on('data', (chunk: Buffer) => { this.#read(chunk, chunk.length) })
    } else {
      this.socket = connect({
        port,
        host: '127.0.0.1',
        localAddress,
        noDelay: true,
        onread: { buffer: input, callback: (length) => { this.#read(input, length); return true } }
      })
    }
    this.socket.on(isSecure ? 'secureConnect' : 'connect', () => { this.socket.write(request) })
    this.socket.on('error', (error) => { this.#fail(error) })
    this.socket.on('end', () => { this.#fail(new Error('The server has ended the connection')) })
  }

  /** Sends one text message. */
  send (text: string): void {
    this.socket.write(clientFrame(Buffer.from(text)))
  }

  /** From now on frames of this shape are counted. Without one they are parsed. */
  count (shape: undefined | Shape): void {
    if (this.#rest !== undefined || this.#left > 0) {
      throw new Error('Part of an unexpected message has arrived')
    }
    this.#shape = shape
  }

  /** Resets the connection, so that its port is free at once. (Node has no reset for TLS.) */
  cut (): void {
    this.#isOpen = false
    this.onFrame = this.onCount = () => {}
    this.socket.removeAllListeners('end')
    if (this.#isSecure) this.socket.destroy()
    else this.socket.resetAndDestroy()
  }

  #fail (error: Error): void {
    if (this.#isOpen) throw error
    this.#onOpen(error)
  }

  #read (chunk: Buffer, length: number): void {
    if (this.#shape !== undefined) {
      this.#count(chunk, length, this.#shape)
      return
    }
    const bytes = this.#take(chunk, length)
    const rest = this.#isOpen ? bytes : this.#open(bytes)
    this.#parse(rest)
  }

  /** These bytes behind those that were left. They are a copy. */
  #take (chunk: Buffer, length: number): Buffer {
    const bytes = Buffer.concat([this.#rest ?? Buffer.alloc(0), chunk.subarray(0, length)])
    this.#rest = undefined
    return bytes
  }

  #open (bytes: Buffer): Buffer {
    const end = bytes.indexOf('\r\n\r\n')
    if (end === -1) {
      this.#rest = bytes
      return Buffer.alloc(0)
    }
    const answer = bytes.toString('latin1', 0, end)
    if (!answer.startsWith('HTTP/1.1 101 ') || !answer.includes(ACCEPT)) {
      this.#onOpen(new Error(`The server refused: ${answer.split('\r\n', 1)[0]!}`))
      return Buffer.alloc(0)
    }
    this.#isOpen = true
    this.#onOpen()
    return bytes.subarray(end + 4)
  }

  #parse (bytes: Buffer): void {
    let rest = bytes
    for (let frame = parseFrame(rest); frame !== undefined; frame = parseFrame(rest)) {
      rest = rest.subarray(frame.size)
      if (frame.opcode === 9) this.socket.write(pong(frame.payload))
      else if (frame.opcode === 8) {
        throw new Error(
        `The server closed with ${frame.payload.length < 2 ? 1005 : frame.payload.readUInt16BE()}`
        )
      } else this.onFrame(frame)
    }
    if (rest.length > 0) this.#rest = rest
  }

  // Looks at nothing but the first byte of each frame, so that a message costs next to nothing
  // here. A frame that begins otherwise is a ping, or an error.
  #count (chunk: Buffer, length: number, { size, first }: Shape): void {
    if (this.#rest !== undefined) {
      const whole = this.#take(chunk, length)
      this.#count(whole, whole.length, this.#shape!)
      return
    }
    let at = this.#left
    let count = at > 0 ? 1 : 0
    while (at < length) {
      if (chunk[at] === first) {
        at += size
        count++
        continue
      }
      const frame = parseFrame(chunk.subarray(at, length))
      if (frame === undefined) {
        this.#rest = Buffer.from(chunk.subarray(at, length))
        break
      }
      if (frame.opcode !== 9) {
        throw new Error(`The server sent a frame that begins with ${chunk[at]!.toString(16)}`)
      }
      this.socket.write(pong(frame.payload))
      at += frame.size
    }
    this.#left = this.#rest === undefined ? at - length : 0
    if (this.#left > 0) count--
    if (count > 0) this.onCount(count, this)
  }
}
