// Above this, copying by the runtime is faster than byte by byte.
const SHORT = 96

/** Copies bytes from one buffer into another. */
export function copyBytes (source: Buffer, start: number, end: number, target: Buffer, at: number): void {
  if (end - start > SHORT) {
    source.copy(target, at, start, end)
    return
  }
  let to = at
  let from = start
  // Four at a time take half as long as one by one.
  for (; from < end - 3; from += 4) {
    target[to] = source[from]!
    target[to + 1] = source[from + 1]!
    target[to + 2] = source[from + 2]!
    target[to + 3] = source[from + 3]!
    to += 4
  }
  for (; from < end; from++) target[to++] = source[from]!
}

// Besides what waits, bytes of memory that may be kept with it: as much as a buffer of its own takes.
const SPARE = 512

/** Whether bytes, as long as they wait, would keep much more memory than they take. */
export function isSmallPart (size: number, { byteLength }: { readonly byteLength: number }): boolean {
  return byteLength > 2 * size + SPARE
}

// What is short shares memory with others, which is never more than what may be kept besides.
let shared = Buffer.allocUnsafeSlow(SPARE)
let used = 0

/** Memory for what waits. That of `Buffer.allocUnsafe` is a part of `Buffer.poolSize`, 64 KiB in newer versions of Node. */
export function allocate (size: number): Buffer {
  if (size > SPARE / 4) return Buffer.allocUnsafeSlow(size)
  if (used + size > SPARE) {
    shared = Buffer.allocUnsafeSlow(SPARE)
    used = 0
  }
  used += size
  return shared.subarray(used - size, used)
}

/** A part of what was read that is to wait: as it is, or in memory of its own if that of all is much more. */
export function partOf (source: Buffer, start: number, end: number): Buffer {
  if (!isSmallPart(end - start, source.buffer)) return source.subarray(start, end)
  const bytes = allocate(end - start)
  source.copy(bytes, 0, start, end)
  return bytes
}
