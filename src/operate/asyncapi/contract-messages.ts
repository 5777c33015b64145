import type { MessageGrant } from '../../contract/contract.js'
import type { ContractDefinition, MessageDefinition } from '../../contract/parse-contract.js'
import { asRoleList } from '../../auth/grant.js'
import type { SchemaOrigin } from './schema-conversion.js'
import type { AsyncapiOperation, JsonSchema } from './document.js'
import type { ProtocolMessages } from './protocol-messages.js'
import type { ChannelBuilder } from './channel-builder.js'

/** Converts the schema of a message, and returns what the document has at `pointer`. */
export type PlaceSchema = (
  schema: unknown,
  pointer: string,
  origin: Omit<SchemaOrigin, 'route'>
) => JsonSchema

/** Adds the messages of a contract, and the protocol's own messages, to a channel. */
export function addContract (
  builder: ChannelBuilder,
  contract: ContractDefinition,
  canRenew: boolean,
  protocol: ProtocolMessages,
  place: PlaceSchema
): void {
  const addOwn = (name: Parameters<ProtocolMessages['of']>[0]): string =>
    builder.addMessage(name, 'own', () => protocol.of(name))
  const add = (
    key: string,
    name: string,
    { type, ...info }: Described,
    part: 'data' | 'reply' | 'stream',
    schema: unknown,
    io: SchemaOrigin['io'],
    id: 'none' | 'optional' | 'required'
  ): string =>
    builder.addMessage(key, part, (pointer) => {
      const inside = `${pointer}/payload/properties/data`
      const data = schema === undefined ? undefined : place(schema, inside, { io, type, part })
      return {
        name,
        ...info,
        ...protocol.envelope(name, { data, id, more: part === 'stream' }),
        'x-data': data === undefined ? undefined : { $ref: refersOnly(data) ?? inside }
      }
    })

  let isAcknowledged = false
  for (const message of contract.in.values()) {
    const { type, data, reply, stream, isGranted } = message
    const key = add(
      `in.${type}`,
      type,
      infoOf(message),
      'data',
      data,
      'input',
      stream === undefined ? 'optional' : 'required'
    )
    const answers = reply !== undefined
      ? [
          add(
            `in.${type}.reply`, 'reply', { type, title: `reply to ${type}` },
            'reply', reply, 'output', 'required'
          ),
          addOwn('error')
        ]
      : stream !== undefined
        ? [
            add(
              `in.${type}.item`, 'reply', { type, title: `item of ${type}` },
              'stream', stream, 'output', 'required'
            ),
            addOwn('reply'),
            addOwn('error')
          ]
        : []
    isAcknowledged ||= answers.length === 0
    builder.addOperation('receive', key, answers, {
      summary: message.summary,
      description: message.description,
      ...grantOf(isGranted)
    })
  }
  for (const message of contract.out.values()) {
    const { type, data, reply } = message
    const key = add(
      `out.${type}`,
      type,
      infoOf(message),
      'data',
      data,
      'output',
      reply === undefined ? 'none' : 'optional'
    )
    const answers = reply === undefined
      ? []
      : [
          add(
            `out.${type}.reply`, 'reply', { type, title: `reply to ${type}` },
            'reply', reply, 'input', 'required'
          ),
          addOwn('error')
        ]
    builder.addOperation('send', key, answers, {
      summary: message.summary,
      description: message.description
    })
  }

  // An error is also sent for a message without an id.
  builder.addOperation('send', addOwn('error'))
  if (isAcknowledged) {
    builder.addOperation('send', addOwn('reply'), [], {
      summary: 'A message that has an id and no reply in the contract was handled.'
    })
  }
  if (contract.in.size > 0) builder.addOperation('receive', addOwn('cancel'))
  if ([...contract.out.values()].some(({ reply }) => reply !== undefined)) {
    builder.addOperation('send', addOwn('cancel'))
  }
  builder.addOperation('receive', addOwn('alive'), [addOwn('reply')])
  if (canRenew) builder.addOperation('receive', addOwn('renew'), [addOwn('reply'), addOwn('error')])
}

interface Described {
  readonly type: string
  readonly title: string
  readonly summary?: undefined | string
  readonly description?: undefined | string
}

function infoOf ({ type, summary, description }: MessageDefinition): Described {
  return { type, title: type, summary, description }
}

function grantOf (
  grant: undefined | MessageGrant
): Pick<AsyncapiOperation, 'x-granted' | 'x-has-predicate'> {
  if (grant === undefined) return {}
  return typeof grant === 'function'
    ? { 'x-granted': [], 'x-has-predicate': true }
    : { 'x-granted': asRoleList(grant) }
}

// Returns the target of a schema that is nothing but a reference.
function refersOnly (schema: JsonSchema): undefined | string {
  const [entry, ...others] = Object.entries(schema)
  return entry?.[0] === '$ref' && others.length === 0 ? String(entry[1]) : undefined
}
