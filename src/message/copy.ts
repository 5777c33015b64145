// Bytes above which Buffer.copy is faster than a loop.
const SHORT = 96

/** Copies bytes from one buffer into another. */
export function copyBytes (
  source: Buffer,
  start: number,
  end: number,
  target: Buffer,
  at: number
): void {
  if (end - start > SHORT) {
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
