/**
 * Returns the length of a text in UTF-8 bytes, without `TextEncoder`, which Jest's jsdom and older
 * React Native lack.
 */
export function byteLength (text: string): number {
  let length = 0
  for (const character of text) {
    const code = character.codePointAt(0)!
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return length
}
