// Reads the AsyncAPI document. No part of it is trusted to have the right form.
import { fromSegment, toSegment } from '../src/operate/asyncapi/json-pointer.js'
import { isObject, resolve, type Schema } from './schema.js'

/** A message, in either direction. */
export interface MessageView {
  /** Its `type` on the wire. */
  readonly type: string
  readonly summary: string
  readonly description: string
  /** The roles that may send it, as text. Empty if every connected client may. */
  readonly granted: string
  /** The schema of the data; `undefined` if the message has none. */
  readonly data: undefined | Schema
  /** The schema of the reply. */
  readonly reply: undefined | Schema
  /** The schema of each item, where the reply is a stream. */
  readonly item: undefined | Schema
}

/** A part of a socket's address that the user fills in. */
export interface Field {
  readonly name: string
  readonly description: string
  readonly isRequired: boolean
  readonly example: string
  readonly choices: readonly string[]
}

/** A way in which a connection may end, and whether a client reconnects. */
export interface CloseView {
  readonly code: number
  readonly reason: string
  readonly reconnect: boolean | 'jitter'
}

/** A route. */
export interface RouteView {
  readonly key: string
  readonly name: string
  /** The address that a client uses, with `{name}` for parameters. */
  readonly address: string
  readonly description: string
  readonly isRaw: boolean
  /** The conditions to connect, all of which must hold. Empty if there are none. */
  readonly granted: readonly string[]
  readonly tokenFrom: readonly string[]
  readonly protocols: readonly string[]
  /** Name and value. */
  readonly limits: ReadonlyArray<readonly [string, string]>
  readonly closes: readonly CloseView[]
  /** Status and code of the HTTP errors that may be sent instead of the upgrade. */
  readonly refusals: ReadonlyArray<readonly [string, string]>
  readonly parameters: readonly Field[]
  readonly query: readonly Field[]
  /** Headers that the route requires, which a browser cannot send. */
  readonly headers: readonly string[]
  readonly inbound: readonly MessageView[]
  readonly outbound: readonly MessageView[]
  /** Whether a new token can be sent while connected. */
  readonly canRenew: boolean
}

/** The document. */
export interface DocumentView {
  readonly title: string
  readonly version: string
  readonly description: string
  readonly routes: readonly RouteView[]
}

const APP_CHECK = 'a check of the app'

/** Reads a document. Parts that cannot be read are left out. */
export function readDocument (document: unknown): DocumentView {
  const { info } = object(document)
  const channels = object(object(document)['channels'])
  return {
    title: text(object(info)['title']),
    version: text(object(info)['version']),
    description: text(object(info)['description']),
    routes: Object.entries(channels).map(([key, channel]) =>
      readRoute(document, key, object(resolve(document, channel)))
    )
  }
}

function readRoute (document: unknown, key: string, channel: Record<string, unknown>): RouteView {
  const own = object(channel['x-socket-route'])
  const bindings = object(object(resolve(document, channel['bindings']))['ws'])
  const address = text(channel['address']) || text(own['path']) || '/'
  const messages = readMessages(document, key, channel)
  return {
    key,
    // A route without a name is named after its path, which is the address in another notation.
    name: [own['name'], channel['title'], key].map(text).map((name) =>
      name === own['path'] ? address : name
    ).find((name) => name !== '')!,
    address,
    description: [text(channel['summary']), text(channel['description'])].filter((line) =>
      line !== ''
    ).join('\n'),
    isRaw: own['isRaw'] === true ||
      (own['isRaw'] === undefined && messages.inbound.length + messages.outbound.length === 0),
    granted: [
      ...list(own['roles']).map(grantText),
      ...(own['hasPredicate'] === true ? [APP_CHECK] : [])
    ].filter((line) => line !== ''),
    tokenFrom: list(own['tokenFrom']).map(text),
    protocols: list(own['protocols']).map(text),
    limits: limitTexts(object(own['limits'])),
    closes: list(own['closeCodes'])
      .map(object)
      .filter(({ code }) => typeof code === 'number')
      .map(({ code, reason, reconnect }) => ({
        code: code as number,
        reason: text(reason),
        reconnect: reconnect === 'jitter' ? 'jitter' : reconnect === true
      })),
    refusals: list(own['refusals']).map(object).map(({ status, code }) =>
      [text(status), text(code)] as const
    ),
    parameters: readParameters(document, address, object(channel['parameters'])),
    query: fieldsOf(document, bindings['query']),
    headers: fieldsOf(document, bindings['headers']).map(({ name }) => name),
    ...messages
  }
}

function readParameters (
  document: unknown,
  address: string,
  given: Record<string, unknown>
): Field[] {
  return [...address.matchAll(/\{([^}]+)\}/g)].map(([, name]) => {
    const parameter = object(resolve(document, given[name!]))
    const choices = list(parameter['enum']).map(text)
    return {
      name: name!,
      description: text(parameter['description']),
      isRequired: parameter['x-optional'] !== true,
      example: text(parameter['default'] ?? list(parameter['examples'])[0] ?? choices[0]),
      choices
    }
  })
}

function fieldsOf (document: unknown, given: unknown): Field[] {
  const schema = object(resolve(document, given))
  const required = list(schema['required'])
  return Object.entries(object(schema['properties'])).map(([name, given]) => {
    const property = object(resolve(document, given))
    return {
      name,
      description: text(property['description']),
      isRequired: required.includes(name),
      example: text(property['default'] ?? list(property['examples'])[0]),
      choices: list(property['enum']).map(text)
    }
  })
}

// The protocol's own messages, which every contract has.
const own = ['reply', 'error', 'cancel', 'alive', 'renew', 'token']

// Reads the messages of a channel from the operations of the app: the app receives what the page
// sends.
function readMessages (
  document: unknown,
  channelKey: string,
  channel: Record<string, unknown>
): Pick<RouteView, 'inbound' | 'outbound' | 'canRenew'> {
  const messages = object(channel['messages'])
  const prefix = `#/channels/${toSegment(channelKey)}/messages/`
  const keysOf = (references: unknown): string[] =>
    list(references).map((reference) => text(object(reference)['$ref']))
      .filter((reference) => reference.startsWith(prefix))
      .map((reference) => fromSegment(reference.slice(prefix.length)))
      .filter((key) => Object.hasOwn(messages, key))
  const messageOf = (key: string): Record<string, unknown> =>
    object(resolve(document, messages[key]))
  const operations = Object.values(object(object(document)['operations']))
    .map((operation) => object(resolve(document, operation)))
  const operationsOf = (action: string): Array<Record<string, unknown>> =>
    operations.filter((operation) => operation['action'] === action)

  const read = (action: string): MessageView[] => operationsOf(action).flatMap((operation) => {
    const answers = keysOf(object(operation['reply'])['messages'])
      .filter((key) => !own.includes(key))
      .map(messageOf)
    const answerOf = (isItem: boolean): undefined | Schema => {
      const answer = answers.find((answer) =>
        list(envelopeOf(document, answer)['required']).includes('more') === isItem)
      return answer && (dataOf(document, answer) ?? true)
    }
    const granted = [
      grantText(operation['x-granted']),
      ...(operation['x-has-predicate'] === true ? [APP_CHECK] : [])
    ].filter((line) => line !== '').join(', ')
    return keysOf(operation['messages']).filter((key) => !own.includes(key)).map((key) => {
      const message = messageOf(key)
      return {
        type: text(message['name']) || key,
        summary: text(message['summary']),
        description: text(message['description']),
        granted,
        data: dataOf(document, message),
        reply: answerOf(false),
        item: answerOf(true)
      }
    })
  })
  const canRenew = operationsOf('receive')
    .some((operation) => keysOf(operation['messages']).includes('renew'))
  return { inbound: read('receive'), outbound: read('send'), canRenew }
}

// Returns the schema of the whole message on the wire.
function envelopeOf (document: unknown, message: Record<string, unknown>): Record<string, unknown> {
  const payload = object(resolve(document, message['payload']))
  return object(resolve(document, isObject(payload['schema']) ? payload['schema'] : payload))
}

// Returns the schema of the data alone: from `x-data`, or the `data` of the envelope.
function dataOf (document: unknown, message: Record<string, unknown>): undefined | Schema {
  const said = message['x-data']
  if (typeof said === 'string') return { $ref: said }
  if (isSchema(said)) return said
  const data = object(envelopeOf(document, message)['properties'])['data']
  return isSchema(data) ? data : undefined
}

function isSchema (value: unknown): value is Schema {
  return typeof value === 'boolean' || isObject(value)
}

/** Returns a list of roles, any of which is enough, as text. */
function grantText (given: unknown): string {
  return Array.isArray(given)
    ? given.map(text).filter((role) => role !== '').join(' or ')
    : text(given)
}

function limitTexts (limits: Record<string, unknown>): Array<readonly [string, string]> {
  return Object.entries(limits).flatMap(([name, value]) => {
    if (name === 'rate' && isObject(value)) return [['rate', rateText(value)] as const]
    if (isObject(value)) {
      return limitTexts(
        Object.fromEntries(Object.entries(value).map(([part, value]) => [`${name} ${part}`, value]))
      )
    }
    if (value === null || value === undefined) return []
    return [
      [
        name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
        `${numberText(value)}${name === 'maxPayload' ? ' bytes' : ''}`
      ] as const
    ]
  })
}

function rateText ({ messages, bytes, per, tolerance }: Record<string, unknown>): string {
  const amounts = [
    ...(messages === undefined ? [] : [`${numberText(messages)} messages`]),
    ...(bytes === undefined ? [] : [`${numberText(bytes)} bytes`])
  ]
  const suffix = tolerance === undefined ? '' : `, tolerance ${numberText(tolerance)}`
  return `${amounts.join(' and ')} per ${numberText(per ?? 1_000)} ms${suffix}`
}

function numberText (value: unknown): string {
  return typeof value === 'number' ? value.toLocaleString('en') : text(value)
}

function object (value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {}
}

function list (value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function text (value: unknown): string {
  return typeof value === 'string'
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : ''
}
