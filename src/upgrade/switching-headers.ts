import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { FastifyReply } from 'fastify'
import { writeLog } from '../log.js'

// What a 101 says of the connection by itself (RFC 9110 section 7.8, RFC 6455 section 4.2.2), may not say, as it has no content
// (RFC 9112 section 6.3), or is told to refused clients only.
const own = /^(?:connection|upgrade|keep-alive|proxy-connection|te|trailer|transfer-encoding|retry-after|sec-websocket-.*|content-(?:encoding|length|range|type))$/

/**
 * The headers that hooks of the app have set on a reply, cookies among them, as lines of the 101 that is sent instead of it. A header
 * that HTTP does not allow, so that it could end the line, is left out and logged.
 */
export function switchingHeaders (reply: FastifyReply): string[] {
  const lines: string[] = []
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (own.test(name)) continue
    for (const each of Array.isArray(value) ? value : [value]) {
      const line = lineOf(name, each)
      if (line !== undefined) lines.push(line)
      else writeLog(reply, 'warn', {}, 'a header that a hook has set is not valid in HTTP, and is left out of the 101')
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
