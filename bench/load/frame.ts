import { randomFillSync } from 'node:crypto'

/** A text frame as a client sends it (RFC 6455 section 5.2), with a random mask. */
export function clientFrame (payload: Buffer): Buffer {
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14)
  head[0] = 0x81
  if (length < 126) head[1] = 0x80 | length
  else if (length < 65_536) {
    head[1] = 0x80 | 126
    head.writeUInt16BE(length, 2)
  } else {
    head[1] = 0x80 | 127
    head.writeBigUInt64BE(BigInt(length), 2)
  }
  const mask = randomFillSync(head, head.length - 4).subarray(-4)
  return Buffer.concat([head, payload.map((byte, index) => byte ^ mask[index & 3]!)])
}

/** A pong (section 5.5.3). */
export function pong (payload: Buffer): Buffer {
  const frame = clientFrame(payload)
  frame[0] = 0x8a
  return frame
}

/** The size of a server's frame with a payload of so many bytes. */
export function serverFrameSize (length: number): number {
  return length + (length < 126 ? 2 : length < 65_536 ? 4 : 10)
}

/** A frame as it came from a server. */
export interface Frame {
  readonly opcode: number
  readonly isCompressed: boolean
  /** The length of the whole frame. */
  readonly size: number
  readonly payload: Buffer
}

/** The frame at the beginning of the bytes, or nothing if it is not there as a whole. */
export function parseFrame (bytes: Buffer): undefined | Frame {
  if (bytes.length < 2) return
  const short = bytes[1]! & 127
  const head = short < 126 ? 2 : short === 126 ? 4 : 10
  if (bytes.length < head) return
  const length = short < 126
    ? short
    : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (bytes.length < head + length) return
  if ((bytes[0]! & 0x80) === 0 || (bytes[1]! & 0x80) !== 0) {
    throw new Error('The server sent a fragment or a mask, which no job asks for')
  }
  return {
    opcode: bytes[0]! & 15,
    isCompressed: (bytes[0]! & 0x40) !== 0,
    size: head + length,
    payload: Buffer.from(bytes.subarray(head, head + length))
  }
}
