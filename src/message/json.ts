import { parse } from 'secure-json-parse'
import { errors } from '../errors.js'

// Permits the keys that Fastify rejects in a body by default.
const ANYTHING = { protoAction: 'ignore', constructorAction: 'ignore' } as const

/**
 * Parses JSON of a client, as Fastify parses a body.
 *
 * @throws `FSR_ERR_MESSAGE_NOT_JSON`; `FSR_ERR_MESSAGE_FORBIDDEN` for a key that could change a
 * prototype. Neither has a cause: a SyntaxError quotes the payload, which would reach the log.
 */
export function parseJson (text: string): unknown {
  try {
    return parse(text)
  } catch {
    throw isJson(text) ? new errors.MessageForbidden() : new errors.MessageNotJson()
  }
}

function isJson (text: string): boolean {
  try {
    parse(text, ANYTHING)
    return true
  } catch {
    return false
  }
}
