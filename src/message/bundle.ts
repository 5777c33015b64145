import { encodeFrames, wireSize, type Compression, type Frame } from './frame.js'
import type { Sendable } from './outbound.js'

/** Frames for the same receivers, which are encoded once for all of them. */
export class Bundle {
  /** What the frames were made of. */
  readonly messages: Sendable[] = []
  readonly frames: Frame[] = []
  /** Bytes on the wire, if nothing is compressed. */
  size = 0
  #plain: undefined | Encoded
  #deflated: undefined | Encoded

  get length (): number {
    return this.frames.length
  }

  add (frame: Frame, message: Sendable): void {
    this.frames.push(frame)
    this.messages.push(message)
    this.size += wireSize(frame)
    this.#plain = this.#deflated = undefined
  }

  /**
   * The frames as buffers to be written.
   *
   * @param from the first that is wanted.
   * @param without those that are not, in their order.
   * @param compression what was agreed on with the receiver.
   */
  encode (from: number, without: readonly number[], compression: undefined | Compression): readonly Buffer[] {
    if (compression === undefined) return (this.#plain ??= new Encoded(this.frames)).parts(from, without)
    return (this.#deflated ??= new Encoded(this.frames.map((frame) => frame.deflated(compression)))).parts(from, without)
  }
}

/** Frames that are encoded. */
class Encoded {
  readonly #frames: readonly Frame[]
  readonly #parts: readonly Buffer[]
  // Where each frame begins, and the last ends, if they are all in one buffer.
  #offsets: undefined | number[]

  constructor (frames: readonly Frame[]) {
    this.#frames = frames
    this.#parts = encodeFrames(frames)
  }

  parts (from: number, without: readonly number[]): readonly Buffer[] {
    if (from === 0 && without.length === 0) return this.#parts
    if (this.#parts.length > 1) return encodeFrames(this.#frames.filter((_, index) => index >= from && !without.includes(index)))
    return this.#pick(from, without)
  }

  // Copies what is between those that are not wanted.
  #pick (from: number, without: readonly number[]): Buffer[] {
    const [all] = this.#parts as [Buffer]
    const offsets = this.#offsets ??= offsetsOf(this.#frames)
    const picked = Buffer.allocUnsafe(all.length)
    let end = 0
    let next = from
    for (const index of without) {
      if (index < from) continue
      end += all.copy(picked, end, offsets[next], offsets[index])
      next = index + 1
    }
    end += all.copy(picked, end, offsets[next])
    return end === 0 ? [] : [picked.subarray(0, end)]
  }
}

function offsetsOf (frames: readonly Frame[]): number[] {
  const offsets = [0]
  for (const frame of frames) offsets.push(offsets.at(-1)! + wireSize(frame))
  return offsets
}
