/** A piece of JSON text, and what it is. */
export interface Token {
  readonly kind: 'key' | 'string' | 'number' | 'word' | 'mark'
  readonly text: string
}

/** Takes JSON apart without making values of it, which would change large numbers and lose doubled names. */
export function tokensOf (json: string): Token[] {
  const tokens: Token[] = []
  for (const match of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)|([[\]{},:])/g)) {
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

// Nobody sees a difference beyond, and what somebody has nested by the thousand would be mostly spaces.
const DEEPEST = 40

/** The tokens with lines and indentation between them. */
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
