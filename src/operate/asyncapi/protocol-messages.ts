import { errors, isRefusal } from '../../errors.js'
import { LONGEST_ID, type ReservedType } from '../../protocol/envelope.js'
import type { AsyncapiMessage, JsonSchema, Reference, SchemaObject } from './document.js'
import type { SchemaComponents } from './schema-components.js'

const CORRELATION = { $ref: '#/components/correlationIds/id' } as const

/** The place of the id in a message. */
export const correlationIds = {
  id: {
    description: 'The id of a message, which its answer repeats.',
    location: '$message.payload#/id'
  }
} as const

/** The protocol's own messages, which every contract has besides its own: see docs/protocol.md. */
export class ProtocolMessages {
  readonly #schemas: SchemaComponents
  readonly #messages = new Map<string, AsyncapiMessage>()
  #id: undefined | Reference

  constructor (schemas: SchemaComponents) {
    this.#schemas = schemas
  }

  /** The messages that are used, by key. */
  get components (): Readonly<Record<string, AsyncapiMessage>> {
    return Object.fromEntries(this.#messages)
  }

  /** Returns a reference to a message, and adds it to the components. */
  of (name: ReservedType): Reference {
    if (!this.#messages.has(name)) {
      const { summary, schema } = own[name]
      this.#messages.set(name, {
        name,
        title: name,
        summary,
        correlationId: CORRELATION,
        payload: this.#schemas.add(`protocol.${name}`, schema(this.#idSchema))
      })
    }
    return { $ref: `#/components/messages/${name}` }
  }

  /** Returns the payload of a message with data. */
  envelope (
    name: string,
    { data, id, more = false }: Envelope
  ): Pick<AsyncapiMessage, 'correlationId' | 'payload'> {
    const required = [
      'type',
      ...(id === 'required' ? ['id'] : []),
      ...(data === undefined ? [] : ['data']),
      ...(more ? ['more'] : [])
    ]
    return {
      correlationId: id === 'none' ? undefined : CORRELATION,
      payload: {
        type: 'object',
        required,
        properties: {
          type: { type: 'string', const: name },
          id: id === 'none' ? undefined : this.#idSchema,
          data,
          more: more ? { const: true, description: 'More follows.' } : undefined
        }
      }
    }
  }

  get #idSchema (): Reference {
    this.#id ??= this.#schemas.add('protocol.id', {
      description:
        'The answer to a message with an id has the same id. Each side chooses its own ids.',
      oneOf: [
        { type: 'string', minLength: 1, maxLength: LONGEST_ID },
        { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }
      ]
    })
    return this.#id
  }
}

interface Envelope {
  readonly data: undefined | JsonSchema
  readonly id: 'none' | 'optional' | 'required'
  /** Whether the message is an item of a stream. */
  readonly more?: undefined | boolean
}

// The codes of errors that a client may get for a message that it has sent.
const codes = Object.values(errors)
  .map((Constructor) => new Constructor())
  .filter(isRefusal)
  .map(({ code }) => code)

const own = {
  reply: {
    summary: 'The message was handled, or the stream has ended.',
    // An item of a stream does not match this schema.
    schema: (id: Reference): SchemaObject => ({
      type: 'object',
      required: ['type', 'id'],
      properties: { type: { type: 'string', const: 'reply' }, id },
      not: { required: ['more'] }
    })
  },
  error: {
    summary: 'Instead of a reply: the message could not be handled.',
    schema: (id: Reference): SchemaObject => ({
      type: 'object',
      required: ['type', 'code', 'message'],
      properties: {
        type: { type: 'string', const: 'error' },
        id,
        code: {
          type: 'string',
          description: 'One of these codes, or one of the app.',
          examples: codes
        },
        message: { type: 'string' },
        path: {
          type: 'string',
          description: 'The place of the fault in the data: a JSON Pointer (RFC 6901).'
        }
      }
    })
  },
  cancel: {
    summary: 'The answer is no longer wanted.',
    schema: (id: Reference): SchemaObject => ({
      type: 'object',
      required: ['type', 'id'],
      properties: { type: { type: 'string', const: 'cancel' }, id }
    })
  },
  alive: {
    summary: 'Asks for a sign of life. It is answered at once, also while earlier messages wait.',
    schema: (id: Reference): SchemaObject => ({
      type: 'object',
      required: ['type', 'id'],
      properties: { type: { type: 'string', const: 'alive' }, id }
    })
  },
  renew: {
    summary: 'A new token for the same user, which replaces the one that will expire.',
    schema: (id: Reference): SchemaObject => ({
      type: 'object',
      required: ['type', 'data'],
      properties: {
        type: { type: 'string', const: 'renew' },
        id,
        data: { type: 'object', required: ['token'], properties: { token: { type: 'string' } } }
      }
    })
  }
} as const satisfies Record<ReservedType, object>
