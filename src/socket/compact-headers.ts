import type { IncomingHttpHeaders } from 'node:http'
import { flatText } from '../message/flat-text.js'

// What is alike for all visitors with the same browser, and is kept once for all of them. Any other header is kept as it is.
const shared = new Set([
  'accept', 'accept-encoding', 'accept-language', 'cache-control', 'connection', 'dnt', 'host', 'origin', 'pragma', 'sec-fetch-dest',
  'sec-fetch-mode', 'sec-fetch-site', 'sec-gpc', 'sec-websocket-extensions', 'sec-websocket-protocol', 'sec-websocket-version', 'upgrade',
  'user-agent', 'via', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto'
])

// Clients choose what they send: above this nothing more is shared until those that are have been forgotten.
const MOST = 1_000
const LONGEST = 2_048

/** What is kept once for all: exported so that a test sees its bounds hold. @internal */
export const outlines = new Map<string, string>()

/** The headers of one request in little memory; they are put together again when somebody asks. */
export class CompactHeaders {
  // All headers as JSON, with null in the place of those that are this client's own.
  readonly #outline: string
  readonly #own: readonly string[]

  constructor (outline: string, own: readonly string[]) {
    this.#outline = outline
    this.#own = own
  }

  /** Makes an object of them, in their order. */
  restore (): IncomingHttpHeaders {
    const headers = JSON.parse(this.#outline) as IncomingHttpHeaders
    let count = 0
    for (const name in headers) headers[name] ??= this.#own[count++]
    return headers
  }
}

/** Keeps headers; nothing if a schema or a hook has made something of them that is not text. */
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
  // The copy has no room for more.
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
