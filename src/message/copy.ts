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
