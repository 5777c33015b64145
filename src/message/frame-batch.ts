import { allocate } from './copy.js'
import { compactLarge, encodeFrames, LARGE, wireSize, type Compression, type Frame } from './frame.js'

/** Frames for the same receivers, which are encoded once for all of them. */
export class FrameBatch {
  /** What a policy for slow clients knows the frames by. */
  readonly keys: unknown[] = []
  readonly frames: Frame[] = []
  /** Bytes on the wire, if nothing is compressed. */
  size = 0
  /** Bytes of the largest payload. */
  largest = 0
  #isCompact = true
  // Whether a receiver lags, so that what is encoded may wait.
  #isToWait = false
  #plain: undefined | Encoded
  #deflated: undefined | Encoded

  get length (): number {
    return this.frames.length
  }

  add (frame: Frame, key: unknown): void {
    this.frames.push(frame)
    this.keys.push(key)
    this.size += wireSize(frame)
    this.largest = Math.max(this.largest, frame.size)
    this.#isCompact &&= frame.size < LARGE
    this.#plain = this.#deflated = undefined
  }

  /** Is for a receiver that lags: what is encoded from now on keeps no more memory than it needs. */
  compact (): void {
    this.#isToWait = true
    if (this.#isCompact) return
    this.#isCompact = true
    compactLarge(this.frames)
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
    const isDeflated = compression !== undefined
    // Whoever was served a moment ago lacks few: all are not encoded again for it, as often as it is sent something.
    if (from > 0) {
      const frames = this.indexes(from, without).map((index) => this.frames[index]!)
      return encodeFrames(isDeflated ? frames.map((frame) => frame.deflated(compression)) : frames, this.#isToWait)
    }
    const encoded = isDeflated
      ? this.#deflated ??= new Encoded(this.frames.map((frame) => frame.deflated(compression)))
      : this.#plain ??= new Encoded(this.frames)
    return without.length === 0 ? encoded.parts : encoded.pick(without, this.#isToWait) ?? encodeFrames(this.indexes(0, without).map((index) => encoded.frames[index]!), this.#isToWait)
  }

  /** Which frames are wanted, as with `encode`. */
  indexes (from: number, without: readonly number[]): number[] {
    const indexes: number[] = []
    // Where the others are in their list; from its end, as above.
    let skip = without.length
    while (skip > 0 && without[skip - 1]! >= from) skip--
    for (let index = from; index < this.frames.length; index++) {
      if (without[skip] === index) skip++
      else indexes.push(index)
    }
    return indexes
  }
}

/** Frames that are encoded. */
class Encoded {
  readonly frames: readonly Frame[]
  readonly parts: readonly Buffer[]
  // Where each frame begins, and the last ends, if they are all in one buffer.
  #offsets: undefined | number[]

  constructor (frames: readonly Frame[]) {
    this.frames = frames
    this.parts = encodeFrames(frames, true)
  }

  /** Copies what is between those that are not wanted; not if it is not all in one buffer. */
  pick (without: readonly number[], isToWait: boolean): undefined | readonly Buffer[] {
    if (this.parts.length > 1) return
    const [all] = this.parts as [Buffer]
    const offsets = this.#offsets ??= offsetsOf(this.frames)
    let size = all.length
    for (const index of without) size -= offsets[index + 1]! - offsets[index]!
    if (size === 0) return []
    // No larger than what is in it: it may wait for long.
    const picked = isToWait ? allocate(size) : Buffer.allocUnsafe(size)
    let end = 0
    let next = 0
    for (const index of without) {
      end += all.copy(picked, end, offsets[next], offsets[index])
      next = index + 1
    }
    all.copy(picked, end, offsets[next])
    return [picked]
  }
}

function offsetsOf (frames: readonly Frame[]): number[] {
  const offsets = [0]
  for (const frame of frames) offsets.push(offsets.at(-1)! + wireSize(frame))
  return offsets
}
