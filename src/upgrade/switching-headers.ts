import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { FastifyReply } from 'fastify'
import { writeLog } from '../log.js'

// Headers that ws sets in a 101 itself (RFC 9110 section 7.8, RFC 6455 section 4.2.2), that a
// response without content must not have (RFC 9112 section 6.3), or that are for refused clients
// only.
const own = new RegExp('^(?:' + [
  'connection', 'upgrade', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding',
  'retry-after', 'sec-websocket-.*', 'content-(?:encoding|length|range|type)'
].join('|') + ')$')

/**
 * Returns the headers that hooks of the app have set on a reply, cookies included, as lines of the
 * 101 that is sent instead. A header that is not valid in HTTP could inject a line: it is left out
 * and logged.
 */
export function switchingHeaders (reply: FastifyReply): string[] {
  const lines: string[] = []
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (own.test(name)) continue
    for (const each of Array.isArray(value) ? value : [value]) {
      const line = lineOf(name, each)
      if (line !== undefined) lines.push(line)
      else {
        writeLog(reply, 'warn', {},
          'a header set by a hook is not valid in HTTP, and is left out of the 101')
      }
    }
  }
  return lines
}

function lineOf (name: string, value: unknown): undefined | string {
  try {
    const text = String(value)
    validateHeaderName(name)
    validateHeaderValue(name, text)
    return `${name}: ${text}`
  } catch {
    return undefined
  }
}
