import { types } from 'node:util'
import { errors } from '../errors.js'
import { discard } from '../thenable.js'
import { Frame, LARGE } from './frame.js'
import type { Message } from './message.js'

/** A message made by the app: text or bytes, encoded when first sent and then kept, however many receive it. */
abstract class OutboundMessage {
  #frame: undefined | Frame

  /** The encoded message. @internal */
  get frame (): Frame {
    this.#frame ??= this.encode()
    return this.#frame
  }

  protected abstract encode (): Frame
}

/**
 * A text message with JSON in it. `data` is anything `JSON.stringify` takes, also `null`; it is read when the message is
 * first sent, and a change after that is not seen.
 *
 * @typeParam T the type of the data.
 */
export class JsonMessage<T = unknown> extends OutboundMessage {
  readonly data: T

  constructor (data: T) {
    super()
    this.data = data
  }

  protected override encode (): Frame {
    return encodeJson(this.data)
  }
}

/** A text message. */
export class TextMessage extends OutboundMessage {
  readonly text: string

  /** @throws `FSR_ERR_NOT_SENDABLE` if `text` is not a string. */
  constructor (text: string) {
    super()
    if (typeof text !== 'string') throw notSendable(text)
    this.text = text
  }

  protected override encode (): Frame {
    return encodeText(this.text)
  }
}

/** Bytes in any of the forms JavaScript keeps them in. Strings are text: give them to a `TextMessage`. */
export type Bytes = ArrayBufferView | ArrayBuffer | SharedArrayBuffer

/** A binary message. Bytes from 8 KiB on are not copied: do not change them after sending. */
export class BinaryMessage extends OutboundMessage {
  readonly bytes: Bytes

  /** @throws `FSR_ERR_NOT_SENDABLE` if `bytes` is not a Buffer, a typed array, a DataView or an ArrayBuffer. */
  constructor (bytes: Bytes) {
    super()
    if (!isBytes(bytes)) throw notSendable(bytes)
    this.bytes = bytes
  }

  protected override encode (): Frame {
    return encodeBytes(this.bytes)
  }
}

/** Anything that can be sent: text for strings, binary for bytes, JSON for plain objects and arrays. */
export type Sendable = JsonMessage | TextMessage | BinaryMessage | Message | string | Bytes | Json

// An object or an array, but no promise and no stream, whose contents count instead: with these, `async () => 1` would compile.
// The index signature lets object literals have any properties.
type Json = (object & NotAwaited) | ({ readonly [key: string]: unknown } & NotAwaited)
interface NotAwaited {
  readonly then?: never
  readonly [Symbol.asyncIterator]?: never
}

/**
 * Encodes whatever can be sent.
 *
 * @throws `FSR_ERR_NOT_SENDABLE` for anything else, `FSR_ERR_NOT_JSON` for data that JSON cannot hold.
 */
export function toFrame (value: Sendable): Frame {
  if (value instanceof OutboundMessage) return value.frame
  if (value instanceof Frame) return value
  if (typeof value === 'string') return encodeText(value)
  if (isBytes(value)) return encodeBytes(value)
  if (isPlain(value)) return encodeJson(value)
  throw notSendable(value)
}

function encodeJson (data: unknown): Frame {
  let json: undefined | string
  try {
    json = JSON.stringify(data)
  } catch (cause) {
    throw new errors.NotJson({ cause })
  }
  if (json === undefined) throw new errors.NotJson({ cause: new TypeError(`JSON.stringify() makes nothing of a value of type ${typeof data}`) })
  return encodeText(json)
}

/** A text message. */
export function encodeText (text: string): Frame {
  return new Frame(Buffer.from(text, 'utf8'), false)
}

function encodeBytes (bytes: Bytes): Frame {
  const view = Buffer.isBuffer(bytes)
    ? bytes
    : ArrayBuffer.isView(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Buffer.from(bytes)
  // A copy of what is short is cheap, and is still there when it is written, whatever the app does with its own.
  return new Frame(view.length < LARGE ? Buffer.from(view) : view, true)
}

function isBytes (value: unknown): value is Bytes {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer
}

function isPlain (value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return true
  const prototype = Object.getPrototypeOf(value)
  // An object of another realm (a vm context, a test runner's sandbox) is plain too.
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

function notSendable (value: unknown): Error {
  // A promise is refused by this error: if it rejects, that must not end the process.
  discard(value)
  return new errors.NotSendable(`${describe(value)} cannot be sent${cureFor(value)}`)
}

// Says what kind of thing it is, never what is in it: the text reaches logs.
function describe (value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return `A value of type ${typeof value}`
  return `An instance of ${classOf(value) ?? 'an unnamed class'}`
}

// Of its prototype, as its own members may be what a client has sent.
function classOf (value: object): undefined | string {
  try {
    const name: unknown = Object.getPrototypeOf(value).constructor.name
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch {
    // A proxy, or a prototype with a getter that throws.
    return undefined
  }
}

// What was most likely meant.
function cureFor (value: unknown): string {
  if (typeof value === 'boolean') return ': was it the result of send()? Write { connection.send(…) }, or return the message itself'
  return types.isPromise(value) ? ': await it first' : ''
}
