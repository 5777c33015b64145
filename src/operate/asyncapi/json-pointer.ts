/** Returns the value at a JSON Pointer (RFC 6901); `undefined` if there is none. */
export function valueAt (root: unknown, pointer: string): unknown {
  return pointer.split('/').slice(1).reduce<unknown>((value, segment) => {
    const name = fromSegment(segment)
    return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
      ? (value as Record<string, unknown>)[name]
      : undefined
  }, root)
}

/** Encodes a name as a segment of a pointer (RFC 6901 section 3). */
export function toSegment (name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** Decodes a segment of a pointer. */
export function fromSegment (segment: string): string {
  return segment.replaceAll('~1', '/').replaceAll('~0', '~')
}
