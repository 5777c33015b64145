import { errors } from '../errors.js'
import { isRecord, strayIn } from '../members.js'
import { reservedTypes } from '../protocol/envelope.js'
import { nearest } from '../suggestion.js'
import type { ContractSchema, InboundMessage, MessageGrant, MessageInfo } from './contract.js'

/** A message of a contract. `undefined` means no schema. */
export interface MessageDefinition extends MessageInfo {
  readonly type: string
  readonly data: unknown
  readonly reply: unknown
  /** The schema of each item, if the reply is a stream. */
  readonly stream: unknown
  readonly isGranted: undefined | MessageGrant
}

/** A parsed contract. The schemas are not compiled yet. */
export interface ContractDefinition {
  /** The messages that clients may send, by `type`. */
  readonly in: ReadonlyMap<string, MessageDefinition>
  /** The messages that the server may send, by `type`. */
  readonly out: ReadonlyMap<string, MessageDefinition>
}

const info = ['summary', 'description']
const keys = {
  in: ['data', 'reply', 'stream', 'isGranted', ...info],
  out: ['data', 'reply', ...info]
}

// Words for the members of a message.
const synonyms: ReadonlyMap<string, string> = new Map([
  ['roles', 'isGranted'],
  ['guard', 'isGranted'],
  ['response', 'reply'],
  ['returns', 'reply'],
  ['answer', 'reply'],
  ['ack', 'reply'],
  ['payload', 'data'],
  ['body', 'data']
])

/**
 * Parses the contract of a controller.
 *
 * @param checkGrant throws for a value that is not a valid grant.
 * @throws `FSR_ERR_CONTRACT_INVALID`, `FSR_ERR_GRANT_INVALID`.
 */
export function defineContract (
  path: string,
  schema: unknown,
  on: unknown,
  checkGrant: (grant: unknown) => void
): ContractDefinition {
  const fail = (what: string): Error => new errors.ContractInvalid(path, what)
  if (!isObject(schema)) throw fail('is not { in, out }: give the controller a schema')
  if (!isObject(on)) {
    throw fail('has no handlers: give the controller `on`, an object with a function for each ' +
      'message of schema.in')
  }
  const unknown = strayIn(schema, ['in', 'out'])
  if (unknown !== undefined) {
    throw fail(`has '${unknown}' in its schema, which is { in, out }; schemas of params, ` +
      'querystring and headers belong in the third argument of socketRoute()')
  }
  const { in: inbound = {}, out: outbound = {} } = schema as ContractSchema
  if (!isRecord(inbound) || !isRecord(outbound)) {
    throw fail('is not { in, out }, each an object of messages by their type')
  }

  const read = (
    direction: keyof typeof keys,
    type: string,
    message: unknown
  ): MessageDefinition => {
    if (type === '' || reservedTypes.includes(type as never)) {
      throw fail(`has a message '${type}', but a type must not be empty or reserved ` +
        `(${reservedTypes.join(', ')})`)
    }
    // The short form of a message of `out`: the schema of its data, or null for no data.
    const isShort = direction === 'out' &&
      !(isObject(message) && ('data' in message || 'reply' in message))
    const given = isShort ? { data: message } : message
    if (!isObject(given)) throw fail(`has no { ${keys.in.join(', ')} } for the message '${type}'`)
    const unknown = strayIn(given, keys[direction])
    if (unknown !== undefined) {
      const meant = meantBy(unknown, keys[direction])
      throw fail(`has '${unknown}' in the message '${type}', which is ` +
        `{ ${keys[direction].join(', ')} }: ` +
        (meant === undefined ? 'the schema of its data belongs in data' : `did you mean ${meant}?`))
    }
    const { data, reply, stream, isGranted, summary, description } = given as InboundMessage
    if (reply !== undefined && stream !== undefined) {
      throw fail(`has a reply and a stream for the message '${type}': give it only one of them`)
    }
    if ('isGranted' in given) checkGrant(isGranted)
    return { type, data: data ?? undefined, reply, stream, isGranted, summary, description }
  }
  const readAll = (direction: keyof typeof keys, given: object): Map<string, MessageDefinition> =>
    new Map(Object.entries(given).map(([type, message]) => [type, read(direction, type, message)]))

  const definition = { in: readAll('in', inbound), out: readAll('out', outbound) }
  for (const type of definition.in.keys()) {
    if (
      typeof (on as Record<string, unknown>)[type] !== 'function' ||
      !hasOwnOrInherited(on, type)
    ) {
      throw fail(`has no handler for the message '${type}': give the controller on.${type}()`)
    }
  }
  const stray = Object.keys(on).find((type) => !definition.in.has(type))
  if (stray !== undefined) {
    throw fail(`has a handler for '${stray}', which is not a message of schema.in`)
  }
  return definition
}

// Returns the member of a message that an unknown name stands for, also if it is misspelt.
function meantBy (unknown: string, known: readonly string[]): undefined | string {
  const name = nearest(unknown, [...known, ...synonyms.keys()])
  const meant = name === undefined ? undefined : synonyms.get(name) ?? name
  return meant !== undefined && known.includes(meant) ? meant : undefined
}

// A member of Object.prototype is not a handler: a message may be called `toString`.
function hasOwnOrInherited (on: object, type: string): boolean {
  return Object.hasOwn(on, type) || !(type in Object.prototype)
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
