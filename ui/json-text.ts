/** A token of JSON text. */
export interface Token {
  readonly kind: 'key' | 'string' | 'number' | 'word' | 'mark'
  readonly text: string
}

const pattern =
  /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)|([[\]{},:])/g

/**
 * Splits JSON into tokens without parsing it, which would change large numbers and drop duplicate
 * names.
 */
export function tokensOf (json: string): Token[] {
  const tokens: Token[] = []
  for (const match of json.matchAll(pattern)) {
    const [, string, colon, number, word, mark] = match
    if (string !== undefined) {
      tokens.push({ kind: colon === undefined ? 'string' : 'key', text: string })
      if (colon !== undefined) tokens.push({ kind: 'mark', text: ':' })
    } else if (number !== undefined) tokens.push({ kind: 'number', text: number })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word })
    else tokens.push({ kind: 'mark', text: mark! })
  }
  return tokens
}

// Deeper levels are not indented further: thousands of levels would be mostly spaces.
const DEEPEST = 40

/** Returns the tokens with line breaks and indentation between them. */
export function indented (tokens: readonly Token[]): Array<Token | string> {
  const pieces: Array<Token | string> = []
  let depth = 0
  const line = (): string => `\n${'  '.repeat(Math.min(depth, DEEPEST))}`
  tokens.forEach((token, at) => {
    const before = tokens[at - 1]?.text
    const isOpening = before === '{' || before === '['
    if (token.kind === 'mark' && (token.text === '}' || token.text === ']')) {
      depth = Math.max(0, depth - 1)
      if (!isOpening) pieces.push(line())
    } else if (isOpening || before === ',') pieces.push(line())
    else if (before === ':') pieces.push(' ')
    pieces.push(token)
    if (token.kind === 'mark' && (token.text === '{' || token.text === '[')) depth++
  })
  return pieces
}

/** Whether a text is JSON. */
export function isJson (text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
