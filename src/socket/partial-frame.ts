import { isSmallPart } from '../message/copy.js'

/** Bytes that were read from a socket and wait: the beginning of a frame, or all that came while the socket was paused. */
export class PartialFrame {
  #bytes: Buffer
  #start: number
  #end: number
  readonly #needed: number

  /** @param needed how many there have to be before any can be used; 0 if they wait only for the socket to be resumed. */
  constructor (bytes: Buffer, start: number, end: number, needed: number) {
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#needed = needed
    // The beginning of a frame must not keep all of the chunk that it was read with; nor what is left of many.
    if (needed > 0 || isSmallPart(end - start, bytes.buffer)) this.#move(end - start)
  }

  get bytes (): Buffer {
    return this.#bytes
  }

  get start (): number {
    return this.#start
  }

  get end (): number {
    return this.#end
  }

  get size (): number {
    return this.#end - this.#start
  }

  get isReady (): boolean {
    return this.size >= this.#needed
  }

  /** Takes what is missing, or everything, and answers how many bytes that were. */
  take (chunk: Buffer, from: number): number {
    const missing = this.#needed === 0 ? Infinity : this.#needed - this.size
    const count = Math.min(missing, chunk.length - from)
    if (this.#end + count > this.#bytes.length) this.#move(this.size + count)
    this.#end += chunk.copy(this.#bytes, this.#end, from, from + count)
    return count
  }

  // To memory of its own that has room for so many, and for some to come: never for much more than has come, whatever a header announces.
  #move (count: number): void {
    const bytes = Buffer.allocUnsafeSlow(this.#needed === 0 ? 2 * count : Math.max(count, Math.min(this.#needed, 2 * count)))
    this.#end = this.#bytes.copy(bytes, 0, this.#start, this.#end)
    this.#start = 0
    this.#bytes = bytes
  }
}
