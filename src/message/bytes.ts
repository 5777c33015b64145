// Bytes below which a loop over bytes is faster than one over words.
const SHORT_MASKED = 128

// The mask as a word, in the byte order of the machine.
const scratch = new Uint8Array(4)
const scratchWord = new Int32Array(scratch.buffer)

// The words of the memory unmasked last: one read of a socket has many messages.
let memory: ArrayBufferLike = scratch.buffer
let words: Int32Array = scratchWord

/**
 * Unmasks the payload of a client's frame in place (RFC 6455 section 5.3); a second call masks it
 * again. Returns whether the resulting payload is all ASCII, and so needs no UTF-8 validation.
 *
 * @param key the position of the mask, four bytes.
 */
export function unmask (bytes: Buffer, start: number, end: number, key: number): boolean {
  if (end - start < SHORT_MASKED) return unmaskBytes(bytes, start, end, key, 0) < 0x80
  // Words are aligned in the underlying memory.
  const first = start + (-(bytes.byteOffset + start) & 3)
  const count = (end - first) >>> 2
  const last = first + count * 4
  for (let index = 0; index < 4; index++) {
    scratch[index] = bytes[key + ((index + first - start) & 3)]!
  }
  if (memory !== bytes.buffer) {
    memory = bytes.buffer
    words = new Int32Array(memory, 0, memory.byteLength >>> 2)
  }
  const begin = (bytes.byteOffset + first) >>> 2
  const seen = unmaskWords(words, begin, begin + count, scratchWord[0]!)
  const ends = unmaskBytes(bytes, start, first, key, 0) |
    unmaskBytes(bytes, last, end, key, last - start)
  return (seen & 0x80808080) === 0 && ends < 0x80
}

// Four words in each round take half the time. Returns all unmasked words, combined by OR.
function unmaskWords (words: Int32Array, begin: number, end: number, mask: number): number {
  let seen = 0
  let index = begin
  for (; index < end - 3; index += 4) {
    const a = words[index]! ^ mask
    const b = words[index + 1]! ^ mask
    const c = words[index + 2]! ^ mask
    const d = words[index + 3]! ^ mask
    words[index] = a
    words[index + 1] = b
    words[index + 2] = c
    words[index + 3] = d
    seen |= a | b | c | d
  }
  for (; index < end; index++) seen |= words[index]! ^= mask
  return seen
}

// Returns all unmasked bytes, combined by OR. @param phase the mask byte of the first byte.
function unmaskBytes (
  bytes: Buffer,
  start: number,
  end: number,
  key: number,
  phase: number
): number {
  const k0 = bytes[key + (phase & 3)]!
  const k1 = bytes[key + ((phase + 1) & 3)]!
  const k2 = bytes[key + ((phase + 2) & 3)]!
  const k3 = bytes[key + ((phase + 3) & 3)]!
  let seen = 0
  let index = start
  for (; index < end - 3; index += 4) {
    const a = bytes[index]! ^ k0
    const b = bytes[index + 1]! ^ k1
    const c = bytes[index + 2]! ^ k2
    const d = bytes[index + 3]! ^ k3
    bytes[index] = a
    bytes[index + 1] = b
    bytes[index + 2] = c
    bytes[index + 3] = d
    seen |= a | b | c | d
  }
  if (index < end) seen |= bytes[index]! ^= k0
  if (index + 1 < end) seen |= bytes[index + 1]! ^= k1
  if (index + 2 < end) seen |= bytes[index + 2]! ^= k2
  return seen
}

// Bytes above which Buffer.copy is faster than a loop.
const SHORT_COPY = 96

/** Copies bytes from one buffer into another. */
export function copyBytes (
  source: Buffer,
  start: number,
  end: number,
  target: Buffer,
  at: number
): void {
  if (end - start > SHORT_COPY) {
    source.copy(target, at, start, end)
    return
  }
  let to = at
  let from = start
  // Four at a time take half as long as one at a time.
  for (; from < end - 3; from += 4) {
    target[to] = source[from]!
    target[to + 1] = source[from + 1]!
    target[to + 2] = source[from + 2]!
    target[to + 3] = source[from + 3]!
    to += 4
  }
  for (; from < end; from++) target[to++] = source[from]!
}

// Bytes of unused memory that waiting bytes may keep: as much as a separate buffer costs.
const SPARE = 512

/** Whether a part of a buffer would keep much more memory alive than it needs. */
export function isSmallPart (
  size: number,
  { byteLength }: { readonly byteLength: number }
): boolean {
  return byteLength > 2 * size + SPARE
}

// Short parts share this memory, which is no larger than the unused memory that is allowed.
let shared = Buffer.allocUnsafeSlow(SPARE)
let used = 0

/**
 * Allocates memory for bytes that wait. `Buffer.allocUnsafe` would keep a pool of `Buffer.poolSize`
 * alive, 64 KiB in newer versions of Node.
 */
export function allocate (size: number): Buffer {
  if (size > SPARE / 4) return Buffer.allocUnsafeSlow(size)
  if (used + size > SPARE) {
    shared = Buffer.allocUnsafeSlow(SPARE)
    used = 0
  }
  used += size
  return shared.subarray(used - size, used)
}

/**
 * Returns a part of a buffer that is to wait: a view, or a copy if the view would keep much more
 * memory alive.
 */
export function partOf (source: Buffer, start: number, end: number): Buffer {
  if (!isSmallPart(end - start, source.buffer)) return source.subarray(start, end)
  const bytes = allocate(end - start)
  source.copy(bytes, 0, start, end)
  return bytes
}
