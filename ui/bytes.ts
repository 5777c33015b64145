/** Formats a number of bytes. */
export function sizeText (bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  const [value, unit] = bytes < 1_000_000 ? [bytes / 1_000, 'kB'] : [bytes / 1_000_000, 'MB']
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`
}

/** Returns the length of a text in UTF-8 bytes. */
export function sizeOf (text: string): number {
  return new TextEncoder().encode(text).length
}

/**
 * Parses hexadecimal digits, with or without spaces, line ends, commas, colons and `0x` between
 * them.
 *
 * @throws with a message for the page.
 */
export function fromHex (text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replace(/0x|[\s:,]/gi, '')
  const wrong = /[^0-9a-f]/i.exec(digits)
  if (wrong !== null) throw new Error(`“${wrong[0]}” is not a hexadecimal digit`)
  if (digits.length % 2 === 1) throw new Error('The number of digits is odd: a byte has two')
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, at) => Number.parseInt(digits.slice(at * 2, at * 2 + 2), 16)
  )
}

/** Formats bytes as lines of sixteen: the offset, the digits, and the ASCII characters. */
export function toHexLines (bytes: Uint8Array, most = 1_024): string {
  const lines: string[] = []
  for (let at = 0; at < Math.min(bytes.length, most); at += 16) {
    const part = [...bytes.subarray(at, Math.min(at + 16, most))]
    const digits = part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const ascii = part.map((byte) => byte > 31 && byte < 127 ? String.fromCharCode(byte) : '.')
    const offset = at.toString(16).padStart(4, '0')
    lines.push(`${offset}  ${digits.padEnd(47)}  ${ascii.join('')}`)
  }
  if (bytes.length > most) {
    lines.push(`… and ${(bytes.length - most).toLocaleString('en')} bytes more`)
  }
  return lines.join('\n')
}
