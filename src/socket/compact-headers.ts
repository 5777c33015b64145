import type { IncomingHttpHeaders } from 'node:http'
import { flatText } from '../message/flat-text.js'

// Headers with the same value for all visitors with the same browser: stored once for all of them.
// All other headers are stored per connection.
const shared = new Set([
  'accept', 'accept-encoding', 'accept-language', 'cache-control', 'connection', 'dnt', 'host',
  'origin', 'pragma', 'sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site', 'sec-gpc',
  'sec-websocket-extensions', 'sec-websocket-protocol', 'sec-websocket-version', 'upgrade',
  'user-agent', 'via', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto'
])

// Bounds of the shared outlines, as clients choose what they send: their number, after which all
// are cleared, and their length in characters.
const MOST = 1_000
const LONGEST = 2_048

/** The shared outlines. Exported so that a test can check their bounds. @internal */
export const outlines = new Map<string, string>()

/** The headers of one request in little memory. */
export class CompactHeaders {
  // All headers as JSON, with null in place of values that are stored per connection.
  readonly #outline: string
  readonly #own: readonly string[]

  constructor (outline: string, own: readonly string[]) {
    this.#outline = outline
    this.#own = own
  }

  /** Returns the headers as an object, in their original order. */
  restore (): IncomingHttpHeaders {
    const headers = JSON.parse(this.#outline) as IncomingHttpHeaders
    let count = 0
    for (const name in headers) headers[name] ??= this.#own[count++]
    return headers
  }
}

/**
 * Compacts headers. Returns `undefined` if a schema or a hook has turned a value into something
 * other than text.
 */
export function compactHeaders (headers: IncomingHttpHeaders): undefined | CompactHeaders {
  const outline: Record<string, null | string> = {}
  const own: string[] = []
  for (const name in headers) {
    const value = headers[name]
    if (typeof value !== 'string') return
    if (shared.has(name)) {
      outline[name] = value
    } else {
      outline[name] = null
      own.push(flatText(value))
    }
  }
  // slice() returns an array without spare capacity.
  return new CompactHeaders(share(JSON.stringify(outline)), own.slice())
}

function share (outline: string): string {
  const known = outlines.get(outline)
  if (known !== undefined) return known
  const flat = flatText(outline)
  if (flat.length > LONGEST) return flat
  if (outlines.size === MOST) outlines.clear()
  outlines.set(flat, flat)
  return flat
}
