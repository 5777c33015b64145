import { constants, deflateRawSync } from 'node:zlib'
import { allocate, copyBytes, isSmallPart } from './copy.js'
import { BINARY, TEXT } from './header.js'

/** Bytes from which on a payload is not copied to stand behind its header in one buffer, but handed on beside it. */
export const LARGE = 8_192

// The bit of the first byte of a frame that is compressed (RFC 7692 section 6).
const RSV1 = 0x40

/** How messages are compressed that are sent to many. */
export interface Compression {
  /** Bytes below which a message is sent as it is. */
  readonly threshold: number
  /** Options of zlib. */
  readonly memLevel?: undefined | number
  readonly windowBits?: undefined | number
}

/** What a message becomes on the wire: encoded once, then handed to however many sockets receive it. */
export class Frame {
  /** `true` for a binary message, `false` for UTF-8 text (RFC 6455 section 5.6). */
  readonly isBinary: boolean
  #source: Buffer
  #start: number
  #end: number
  #bytes: undefined | Buffer
  #deflated: undefined | Frame

  /**
   * @param source has the payload, unmasked, among other things. It is shared between receivers: nothing may change it.
   * @param start where in it the payload begins.
   * @param end where it ends.
   */
  constructor (source: Buffer, isBinary: boolean, start = 0, end = source.length) {
    this.#source = source
    this.isBinary = isBinary
    this.#start = start
    this.#end = end
  }

  /** The payload, unmasked and complete: a view, whose `buffer` has other bytes around it, also of other clients. */
  get bytes (): Buffer {
    // A view costs more than all else of a short message, and most are never looked at.
    this.#bytes ??= this.size === this.#source.length ? this.#source : this.#source.subarray(this.#start, this.#end)
    return this.#bytes
  }

  /** Bytes of the payload. @internal */
  get size (): number {
    return this.#end - this.#start
  }

  /** The first byte on the wire. @internal */
  get first (): number {
    return this.isBinary ? BINARY : TEXT
  }

  /** The payload as UTF-8 text, decoded anew. @internal */
  decode (): string {
    return this.#source.toString('utf8', this.#start, this.#end)
  }

  /** Writes the payload, and answers where it ends. @internal */
  copyTo (target: Buffer, at: number): number {
    copyBytes(this.#source, this.#start, this.#end, target, at)
    return at + this.size
  }

  /** Keeps no more memory than the message needs: it may be a part of all that was read with it. For whoever lets it wait. @internal */
  compact (): void {
    const { size } = this
    if (!isSmallPart(size, this.#source.buffer) || this.#source.length < this.#end) return
    const bytes = allocate(size)
    copyBytes(this.#source, this.#start, this.#end, bytes, 0)
    this.#source = bytes
    this.#start = 0
    this.#end = size
    this.#bytes = undefined
  }

  /** The same message compressed, if it is not too short for that; once for all receivers. @internal */
  deflated (compression: Compression): Frame {
    if (this.size < compression.threshold) return this
    this.#deflated ??= new DeflatedFrame(this, compression)
    return this.#deflated
  }

  /** The same message as it is, if this is compressed. @internal */
  get plain (): Frame {
    return this
  }
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

// Without the empty block that a receiver adds again (RFC 7692 section 7.2.1).
function deflate (bytes: Buffer, { memLevel, windowBits }: Compression): Buffer {
  return deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, ...(memLevel && { memLevel }), ...(windowBits && { windowBits }) }).subarray(0, -4)
}

/** Bytes of a frame on the wire. */
export function wireSize ({ size }: { readonly size: number }): number {
  return size + (size < 126 ? 2 : size < 65_536 ? 4 : 10)
}

/** Lets what is written of frames keep no more memory than it needs. Those that are not large are copied in any case. */
export function compactLarge (frames: readonly Frame[]): void {
  for (const frame of frames) if (frame.size >= LARGE) frame.compact()
}

/**
 * Frames as buffers to be written one after the other: few, and none that has to be copied if it is large.
 *
 * @param isToWait whether they are for a client that lags, so that they must not keep memory of others.
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
 * The payload.
 *
 * @throws if the app has handed its bytes to a worker, or made less of them, since it sent them.
 */
export function wholeOf (frame: Frame): Buffer {
  const { bytes } = frame
  if (bytes.length !== frame.size) throw new TypeError('the bytes have been detached or resized')
  return bytes
}

// The last of them may be large: then it is only its header.
function encodeRun (frames: readonly Frame[], begin: number, end: number, size: number, isToWait: boolean): Buffer {
  const bytes = isToWait ? allocate(size) : Buffer.allocUnsafe(size)
  let at = 0
  for (let index = begin; index < end; index++) {
    const frame = frames[index]!
    at = writeHeader(bytes, at, frame)
    if (at < size) at = frame.copyTo(bytes, at)
  }
  return bytes
}

// RFC 6455 section 5.2; what a server sends has no mask.
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
