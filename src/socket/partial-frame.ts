import { isSmallPart } from '../message/bytes.js'

/**
 * Bytes that were read and wait: the start of a frame, or everything that came while the socket was
 * paused.
 */
export class PartialFrame {
  #bytes: Buffer
  #start: number
  #end: number
  readonly #needed: number

  /**
   * @param needed the number of bytes needed before any can be parsed; 0 if they only wait for the
   * socket to be resumed.
   */
  constructor (bytes: Buffer, start: number, end: number, needed: number) {
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#needed = needed
    // The start of a frame, or the rest of many, must not keep the whole chunk alive.
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

  /** Takes the missing bytes, or all bytes while the socket is paused; returns their number. */
  take (chunk: Buffer, from: number): number {
    const missing = this.#needed === 0 ? Infinity : this.#needed - this.size
    const count = Math.min(missing, chunk.length - from)
    if (this.#end + count > this.#bytes.length) this.#move(this.size + count)
    this.#end += chunk.copy(this.#bytes, this.#end, from, from + count)
    return count
  }

  // Moves the bytes to separate memory with room for more. Its size depends on the bytes that have
  // come, at most twice as many, and not on the length that a header claims.
  #move (count: number): void {
    const bytes = Buffer.allocUnsafeSlow(
      this.#needed === 0 ? 2 * count : Math.max(count, Math.min(this.#needed, 2 * count))
    )
    this.#end = this.#bytes.copy(bytes, 0, this.#start, this.#end)
    this.#start = 0
    this.#bytes = bytes
  }
}
