import { types } from 'node:util'
import { errors } from '../errors.js'
import { discard } from '../thenable.js'
import { encodeText, Frame, LARGE } from './frame.js'
import type { Message } from './message.js'

/** A message of the app: encoded when it is first sent, then shared by all receivers. */
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
 * A text message with JSON. `data` is anything that `JSON.stringify` accepts, also `null`. It is
 * read when the message is first sent: later changes have no effect.
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

/** Bytes in any form of JavaScript. Strings are text: pass them to a `TextMessage`. */
export type Bytes = ArrayBufferView | ArrayBuffer | SharedArrayBuffer

/** A binary message. Bytes of 8 KiB or more are not copied: do not change them after sending. */
export class BinaryMessage extends OutboundMessage {
  readonly bytes: Bytes

  /**
   * @throws `FSR_ERR_NOT_SENDABLE` if `bytes` is not a Buffer, a typed array, a DataView or an
   * ArrayBuffer.
   */
  constructor (bytes: Bytes) {
    super()
    if (!isBytes(bytes)) throw notSendable(bytes)
    this.bytes = bytes
  }

  protected override encode (): Frame {
    return encodeBytes(this.bytes)
  }
}

/**
 * Any value that can be sent: strings as text, bytes as binary, plain objects and arrays as JSON.
 */
export type Sendable = JsonMessage | TextMessage | BinaryMessage | Message | string | Bytes | Json

// An object or an array, but not a promise or a stream: `async () => 1` would compile otherwise.
// The index signature lets object literals have any properties.
type Json = (object & NotAwaited) | ({ readonly [key: string]: unknown } & NotAwaited)
interface NotAwaited {
  readonly then?: never
  readonly [Symbol.asyncIterator]?: never
}

/**
 * Encodes a sendable value.
 *
 * @throws `FSR_ERR_NOT_SENDABLE` for any other value, `FSR_ERR_NOT_JSON` for data that JSON cannot
 * represent.
 */
export function toFrame (value: Sendable): Frame {
  if (value instanceof OutboundMessage) return value.frame
  if (value instanceof Frame) return value
  if (typeof value === 'string') return encodeText(value)
  if (isBytes(value)) return encodeBytes(value)
  if (isPlain(value)) return encodeJson(value)
  throw notSendable(value)
}

/** Returns the value of a message, for functions of the app that read what is sent. */
export function valueOf (message: unknown): unknown {
  if (message instanceof JsonMessage) return message.data
  if (message instanceof TextMessage) return message.text
  return message instanceof BinaryMessage ? message.bytes : message
}

/** Returns a message with another value. JSON stays JSON, also if the value is a string. */
export function replaced (message: unknown, value: unknown): unknown {
  return message instanceof JsonMessage && !(value instanceof OutboundMessage)
    ? new JsonMessage(value)
    : value
}

function encodeJson (data: unknown): Frame {
  let json: undefined | string
  try {
    json = JSON.stringify(data)
  } catch (cause) {
    throw new errors.NotJson({ cause })
  }
  if (json === undefined) {
    throw new errors.NotJson({
      cause: new TypeError(`JSON.stringify() returns undefined for a value of type ${typeof data}`)
    })
  }
  return encodeText(json)
}

function encodeBytes (bytes: Bytes): Frame {
  const view = Buffer.isBuffer(bytes)
    ? bytes
    : ArrayBuffer.isView(bytes)
      ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : Buffer.from(bytes)
  // Short bytes are copied, so that the app may change or transfer its own before they are written.
  return new Frame(view.length < LARGE ? Buffer.from(view) : view, true)
}

function isBytes (value: unknown): value is Bytes {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer ||
    value instanceof SharedArrayBuffer
}

function isPlain (value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return true
  const prototype = Object.getPrototypeOf(value)
  // An object of another realm (a vm context, a test runner's sandbox) is plain too.
  return prototype === null || prototype === Object.prototype ||
    Object.getPrototypeOf(prototype) === null
}

function notSendable (value: unknown): Error {
  // The value may be a promise: its rejection must not end the process.
  discard(value)
  return new errors.NotSendable(`${describe(value)} cannot be sent${cureFor(value)}`)
}

// Returns the kind of the value, never its content: the text reaches logs.
function describe (value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return `A value of type ${typeof value}`
  return `An instance of ${classOf(value) ?? 'an unnamed class'}`
}

// Reads the prototype alone, as own members may have come from a client.
function classOf (value: object): undefined | string {
  try {
    const name: unknown = Object.getPrototypeOf(value).constructor.name
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch {
    // The value is a proxy, or its prototype has a getter that throws.
    return undefined
  }
}

// Returns a hint at the likely mistake.
function cureFor (value: unknown): string {
  if (typeof value === 'boolean') {
    return ': was it the result of send()? ' +
      'Write { connection.send(…) }, or return the message itself'
  }
  return types.isPromise(value) ? ': await it first' : ''
}
