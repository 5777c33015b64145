import { asRoleList } from '../../auth/grant.js'
import type { MessageGrant } from '../../contract/contract.js'
import type { ContractDefinition, MessageDefinition } from '../../contract/parse-contract.js'
import type { ReservedType } from '../../protocol/envelope.js'
import type { ChannelBuilder } from './channel-parts.js'
import type { AsyncapiOperation, JsonSchema } from './document.js'
import type { ProtocolMessages } from './protocol-messages.js'
import type { SchemaOrigin } from './schema-conversion.js'

/** Converts the schema of a message, and returns what the document has at `pointer`. */
export type PlaceSchema = (
  schema: unknown,
  pointer: string,
  origin: Omit<SchemaOrigin, 'route'>
) => JsonSchema

// A message of a contract, or a reply to it.
interface ContractMessage {
  readonly key: string
  /** The `type` on the wire. */
  readonly name: string
  /** The `type` in the contract. */
  readonly type: string
  readonly title: string
  readonly summary?: undefined | string
  readonly description?: undefined | string
  readonly part: 'data' | 'reply' | 'stream'
  readonly schema: unknown
  readonly io: SchemaOrigin['io']
  readonly id: 'none' | 'optional' | 'required'
}

/** Adds the messages of a contract, and the protocol's own messages, to a channel. */
export class ContractMessages {
  readonly #builder: ChannelBuilder
  readonly #protocol: ProtocolMessages
  readonly #place: PlaceSchema

  constructor (builder: ChannelBuilder, protocol: ProtocolMessages, place: PlaceSchema) {
    this.#builder = builder
    this.#protocol = protocol
    this.#place = place
  }

  /** @param canRenew whether a client can send a new token. */
  add (contract: ContractDefinition, canRenew: boolean): void {
    const inbound = [...contract.in.values()]
    const outbound = [...contract.out.values()]
    for (const message of inbound) this.#addInbound(message)
    for (const message of outbound) this.#addOutbound(message)
    // An error is also sent for a message without an id.
    this.#builder.addOperation('send', this.#addOwn('error'))
    if (inbound.some(({ reply, stream }) => reply === undefined && stream === undefined)) {
      this.#builder.addOperation('send', this.#addOwn('reply'), [], {
        summary: 'A message that has an id and no reply in the contract was handled.'
      })
    }
    if (inbound.length > 0) this.#builder.addOperation('receive', this.#addOwn('cancel'))
    if (outbound.some(({ reply }) => reply !== undefined)) {
      this.#builder.addOperation('send', this.#addOwn('cancel'))
    }
    this.#builder.addOperation('receive', this.#addOwn('alive'), [this.#addOwn('reply')])
    if (canRenew) {
      const answers = [this.#addOwn('reply'), this.#addOwn('error')]
      this.#builder.addOperation('receive', this.#addOwn('renew'), answers)
    }
  }

  #addInbound (message: MessageDefinition): void {
    const { type, data, reply, stream, isGranted, summary, description } = message
    const key = this.#add({
      key: `in.${type}`,
      name: type,
      type,
      title: type,
      summary,
      description,
      part: 'data',
      schema: data,
      io: 'input',
      id: stream === undefined ? 'optional' : 'required'
    })
    const answers = reply !== undefined
      ? [this.#addReply('in', type, reply), this.#addOwn('error')]
      : stream !== undefined
        ? [this.#addItem(type, stream), this.#addOwn('reply'), this.#addOwn('error')]
        : []
    const info = { summary, description, ...grantOf(isGranted) }
    this.#builder.addOperation('receive', key, answers, info)
  }

  #addOutbound ({ type, data, reply, summary, description }: MessageDefinition): void {
    const key = this.#add({
      key: `out.${type}`,
      name: type,
      type,
      title: type,
      summary,
      description,
      part: 'data',
      schema: data,
      io: 'output',
      id: reply === undefined ? 'none' : 'optional'
    })
    const answers = reply === undefined
      ? []
      : [this.#addReply('out', type, reply), this.#addOwn('error')]
    this.#builder.addOperation('send', key, answers, { summary, description })
  }

  // @param direction of the message that is answered.
  #addReply (direction: 'in' | 'out', type: string, schema: unknown): string {
    return this.#add({
      key: `${direction}.${type}.reply`,
      name: 'reply',
      type,
      title: `reply to ${type}`,
      part: 'reply',
      schema,
      io: direction === 'in' ? 'output' : 'input',
      id: 'required'
    })
  }

  #addItem (type: string, schema: unknown): string {
    return this.#add({
      key: `in.${type}.item`,
      name: 'reply',
      type,
      title: `item of ${type}`,
      part: 'stream',
      schema,
      io: 'output',
      id: 'required'
    })
  }

  #add ({ key, name, type, part, schema, io, id, ...info }: ContractMessage): string {
    return this.#builder.addMessage(key, part, (pointer) => {
      const inside = `${pointer}/payload/properties/data`
      const data = schema === undefined
        ? undefined
        : this.#place(schema, inside, { io, type, part })
      return {
        name,
        ...info,
        ...this.#protocol.envelope(name, { data, id, more: part === 'stream' }),
        'x-data': data === undefined ? undefined : { $ref: refersOnly(data) ?? inside }
      }
    })
  }

  #addOwn (type: ReservedType): string {
    return this.#builder.addMessage(type, 'own', () => this.#protocol.of(type))
  }
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
