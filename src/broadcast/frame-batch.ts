import { allocate } from '../message/bytes.js'
import {
  compactLarge, encodeFrames, LARGE, wireSize, type Compression, type Frame
} from '../message/frame.js'

/** Frames for the same receivers, encoded once for all of them. */
export class FrameBatch {
  /** The keys of the frames: see `LatestBy`. */
  readonly keys: unknown[] = []
  readonly frames: Frame[] = []
  /** Bytes on the wire without compression. */
  size = 0
  /** Bytes of the largest payload. */
  largest = 0
  #isCompact = true
  // Whether a receiver lags, so that the encoded frames may wait.
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

  /**
   * Prepares for a receiver that lags: frames encoded from now on keep no more memory than they
   * need.
   */
  compact (): void {
    this.#isToWait = true
    if (this.#isCompact) return
    this.#isCompact = true
    compactLarge(this.frames)
    this.#plain = this.#deflated = undefined
  }

  /**
   * Returns the frames as buffers to be written.
   *
   * @param from the index of the first frame.
   * @param without the indexes of frames to leave out, in ascending order.
   * @param compression the compression negotiated with the receiver.
   */
  encode (
    from: number,
    without: readonly number[],
    compression: undefined | Compression
  ): readonly Buffer[] {
    const isDeflated = compression !== undefined
    // A receiver that already has the first frames lacks few: only these are encoded.
    if (from > 0) {
      const frames = this.indexes(from, without).map((index) => this.frames[index]!)
      return encodeFrames(
        isDeflated ? frames.map((frame) => frame.deflated(compression)) : frames,
        this.#isToWait
      )
    }
    const encoded = isDeflated
      ? this.#deflated ??= new Encoded(this.frames.map((frame) => frame.deflated(compression)))
      : this.#plain ??= new Encoded(this.frames)
    if (without.length === 0) return encoded.parts
    return encoded.pick(without, this.#isToWait) ?? encodeFrames(
      this.indexes(0, without).map((index) => encoded.frames[index]!),
      this.#isToWait
    )
  }

  /** Returns the indexes of the frames that `encode` would return. */
  indexes (from: number, without: readonly number[]): number[] {
    const indexes: number[] = []
    // The position in `without`; searched from the end, as most receivers lack few frames.
    let skip = without.length
    while (skip > 0 && without[skip - 1]! >= from) skip--
    for (let index = from; index < this.frames.length; index++) {
      if (without[skip] === index) skip++
      else indexes.push(index)
    }
    return indexes
  }
}

/** Encoded frames. */
class Encoded {
  readonly frames: readonly Frame[]
  readonly parts: readonly Buffer[]
  // The start of each frame and the end of the last, if all frames are in one buffer.
  #offsets: undefined | number[]

  constructor (frames: readonly Frame[]) {
    this.frames = frames
    this.parts = encodeFrames(frames, true)
  }

  /** Returns a copy without some frames; `undefined` if the frames are in several buffers. */
  pick (without: readonly number[], isToWait: boolean): undefined | readonly Buffer[] {
    if (this.parts.length > 1) return
    const [all] = this.parts as [Buffer]
    const offsets = this.#offsets ??= offsetsOf(this.frames)
    let size = all.length
    for (const index of without) size -= offsets[index + 1]! - offsets[index]!
    if (size === 0) return []
    // Allocated exactly, as it may wait for long.
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
