/**
 * The same text in one piece. V8 keeps one that was put together as a tree of its parts, which can take ten times as much: a text that
 * stays as long as a connection is better copied.
 */
export function flatText (text: string): string {
  return Buffer.from(text).toString()
}
