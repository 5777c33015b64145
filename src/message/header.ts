/** First bytes of unfragmented, uncompressed messages (RFC 6455 section 5.2), and of a pong. */
export const TEXT = 0x81
export const BINARY = 0x82
export const PONG = 0x8a

/** Whether a frame is one of these and masked, by its first two bytes. */
export function isWhole (first: number, second: number): boolean {
  return second >= 0x80 &&
    (first === TEXT || first === BINARY || (first === PONG && second < 0x80 + 126))
}

/** The first byte of a ping. */
export const PING = 0x89

/** Whether a frame is a data frame, whole or a fragment, and not a control frame. */
export function isData (first: number): boolean {
  return (first & 0x0f) < 0x08
}

/**
 * Whether a frame is the only or last one of its message, or a control frame (RFC 6455 section
 * 5.4).
 */
export function isFinal (first: number): boolean {
  return first >= 0x80
}

/**
 * Whether the first two bytes of a frame violate the protocol (RFC 6455 section 5.2, RFC 7692
 * section 6).
 *
 * @param isFragmented whether the last message is incomplete.
 * @param isCompressible whether compression was negotiated.
 */
export function isBroken (
  first: number,
  second: number,
  isFragmented: boolean,
  isCompressible: boolean
): boolean {
  const opcode = first & 0x0f
  if (second < 0x80 || (first & 0x30) !== 0) return true
  const isCompressed = (first & 0x40) !== 0
  if (isData(first)) {
    return opcode > 0x02 || (opcode === 0) !== isFragmented ||
      (isCompressed && (opcode === 0 || !isCompressible))
  }
  return opcode > 0x0a || isCompressed || !isFinal(first) || second > 0x80 + 125 ||
    (opcode === 0x08 && second === 0x80 + 1)
}

/** Returns the size of the header of a masked frame, in bytes, from its second byte. */
export function headerOf (second: number): number {
  return second === 0xff ? 14 : second === 0xfe ? 8 : 6
}

/**
 * Returns the size of a frame in bytes, of which at least two have come; or, negated, the number of
 * bytes needed to tell.
 */
export function sizeOf (bytes: Buffer, at: number, end: number): number {
  const count = end - at
  const second = bytes[at + 1]!
  const length = second & 0x7f
  const mask = second < 0x80 ? 0 : 4
  if (length < 126) return 2 + mask + length
  if (length === 126) return count < 4 ? -4 : 4 + mask + bytes.readUInt16BE(at + 2)
  return count < 10
    ? -10
    : 10 + mask + bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6)
}
