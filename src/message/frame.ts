import { constants, deflateRawSync } from 'node:zlib'
import { allocate, copyBytes, isSmallPart } from './bytes.js'
import { BINARY, TEXT } from './header.js'

/**
 * Bytes from which a payload is written as a buffer of its own, rather than copied behind its
 * header.
 */
export const LARGE = 8_192

// The bit that marks a compressed message, in the first byte of a frame (RFC 7692 section 6).
const RSV1 = 0x40

/** The compression of messages to many. */
export interface Compression {
  /** Bytes below which a message is not compressed. */
  readonly threshold: number
  /** Options of zlib. */
  readonly memLevel?: undefined | number
  readonly windowBits?: undefined | number
}

/** An encoded message: encoded once, then shared by all sockets that receive it. */
export class Frame {
  /** `true` for a binary message, `false` for UTF-8 text (RFC 6455 section 5.6). */
  readonly isBinary: boolean
  /** Bytes of the payload. @internal */
  readonly size: number
  #source: Buffer
  #start: number
  #bytes: undefined | Buffer
  #deflated: undefined | Frame

  /**
   * @param source contains the payload, unmasked. Receivers share it: it must not be changed.
   * @param start the start of the payload in `source`.
   * @param end the end of the payload in `source`.
   */
  constructor (source: Buffer, isBinary: boolean, start = 0, end = source.length) {
    this.isBinary = isBinary
    this.size = end - start
    this.#source = source
    this.#start = start
  }

  /**
   * The payload, unmasked and complete. It is a view: its `buffer` may have other bytes around it,
   * also of other clients.
   */
  get bytes (): Buffer {
    // Created on first access: it costs more than the rest of a short message, and is rarely read.
    this.#bytes ??= this.size === this.#source.length
      ? this.#source
      : this.#source.subarray(this.#start, this.#end)
    return this.#bytes
  }

  // The end of the payload in `#source`.
  get #end (): number {
    return this.#start + this.size
  }

  /** The first byte on the wire. @internal */
  get first (): number {
    return this.isBinary ? BINARY : TEXT
  }

  /** Decodes the payload as UTF-8 text; the result is not cached. @internal */
  decode (): string {
    return this.#source.toString('utf8', this.#start, this.#end)
  }

  /** Copies the payload, and returns the position behind it. @internal */
  copyTo (target: Buffer, at: number): number {
    copyBytes(this.#source, this.#start, this.#end, target, at)
    return at + this.size
  }

  /**
   * Copies the payload if it keeps much more memory alive than it needs: a message that waits may
   * be part of a larger read.
   *
   * @internal
   */
  compact (): void {
    const { size } = this
    if (!isSmallPart(size, this.#source.buffer) || this.#source.length < this.#end) return
    const bytes = allocate(size)
    copyBytes(this.#source, this.#start, this.#end, bytes, 0)
    this.#source = bytes
    this.#start = 0
    this.#bytes = undefined
  }

  /**
   * Returns the message compressed, once for all receivers; itself if it is below the threshold.
   *
   * @internal
   */
  deflated (compression: Compression): Frame {
    if (this.size < compression.threshold) return this
    this.#deflated ??= new DeflatedFrame(this, compression)
    return this.#deflated
  }

  /** The message without compression. @internal */
  get plain (): Frame {
    return this
  }
}

/** Encodes a text message. */
export function encodeText (text: string): Frame {
  return new Frame(Buffer.from(text, 'utf8'), false)
}

class DeflatedFrame extends Frame {
  readonly #plain: Frame

  constructor (plain: Frame, compression: Compression) {
    super(deflate(wholeOf(plain), compression), plain.isBinary)
    this.#plain = plain
  }

  override get plain (): Frame {
    return this.#plain
  }

  override get first (): number {
    return super.first | RSV1
  }
}

// Returns the bytes without the empty block at the end, which a receiver adds (RFC 7692 section
// 7.2.1).
function deflate (bytes: Buffer, { memLevel, windowBits }: Compression): Buffer {
  return deflateRawSync(bytes, {
    finishFlush: constants.Z_SYNC_FLUSH,
    ...(memLevel && { memLevel }),
    ...(windowBits && { windowBits })
  }).subarray(0, -4)
}

/** Returns the size of a frame on the wire, in bytes. */
export function wireSize ({ size }: { readonly size: number }): number {
  return size + (size < 126 ? 2 : size < 65_536 ? 4 : 10)
}

/** Compacts large frames before they wait. Smaller ones are copied anyway when they are encoded. */
export function compactLarge (frames: readonly Frame[]): void {
  for (const frame of frames) if (frame.size >= LARGE) frame.compact()
}

/**
 * Encodes frames into as few buffers as possible, to be written in order. Large payloads are not
 * copied.
 *
 * @param isToWait whether the client lags, so that the buffers must not keep shared memory alive.
 */
export function encodeFrames (frames: readonly Frame[], isToWait = false): Buffer[] {
  const parts: Buffer[] = []
  let begin = 0
  let size = 0
  for (let index = 0; index < frames.length; index++) {
    const frame = frames[index]!
    size += wireSize(frame)
    if (frame.size < LARGE) continue
    parts.push(encodeRun(frames, begin, index + 1, size - frame.size, isToWait), wholeOf(frame))
    begin = index + 1
    size = 0
  }
  if (size > 0) parts.push(encodeRun(frames, begin, frames.length, size, isToWait))
  return parts
}

/**
 * Returns the payload.
 *
 * @throws if the app has transferred or resized its bytes since it sent them.
 */
export function wholeOf (frame: Frame): Buffer {
  const { bytes } = frame
  if (bytes.length !== frame.size) {
    throw new TypeError('the ArrayBuffer of a sent message was detached or resized')
  }
  return bytes
}

// A large frame at the end contributes only its header.
function encodeRun (
  frames: readonly Frame[],
  begin: number,
  end: number,
  size: number,
  isToWait: boolean
): Buffer {
  const bytes = isToWait ? allocate(size) : Buffer.allocUnsafe(size)
  let at = 0
  for (let index = begin; index < end; index++) {
    const frame = frames[index]!
    at = writeHeader(bytes, at, frame)
    if (at < size) at = frame.copyTo(bytes, at)
  }
  return bytes
}

// RFC 6455 section 5.2. Frames of a server are not masked.
function writeHeader (target: Buffer, at: number, { first, size }: Frame): number {
  target[at] = first
  if (size < 126) {
    target[at + 1] = size
    return at + 2
  }
  if (size < 65_536) {
    target[at + 1] = 126
    target[at + 2] = size >>> 8
    target[at + 3] = size & 0xff
    return at + 4
  }
  target[at + 1] = 127
  target.writeUInt32BE(Math.floor(size / 2 ** 32), at + 2)
  target.writeUInt32BE(size % 2 ** 32, at + 6)
  return at + 10
}
