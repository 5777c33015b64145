import { errors, isRefusal } from '../../errors.js'
import type { AsyncapiMessage, JsonSchema, Reference, SchemaObject } from './document.js'
import type { Schemas } from './schemas.js'

const CORRELATION = { $ref: '#/components/correlationIds/id' } as const

/** Where the id of a message is. */
export const correlationIds = {
  id: { description: 'What a message and its answer have in common.', location: '$message.payload#/id' }
} as const

/** The messages that every contract has besides its own: see docs/protocol.md. */
export class ProtocolMessages {
  readonly #schemas: Schemas
  readonly #messages = new Map<string, AsyncapiMessage>()
  #id: undefined | Reference

  constructor (schemas: Schemas) {
    this.#schemas = schemas
  }

  /** Those that are used, by key. */
  get components (): Readonly<Record<string, AsyncapiMessage>> {
    return Object.fromEntries(this.#messages)
  }

  /** One that is used. */
  of (name: keyof typeof own): Reference {
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

  /** A message with data. */
  envelope (name: string, { data, id, more = false }: Envelope): Pick<AsyncapiMessage, 'correlationId' | 'payload'> {
    const required = ['type', ...(id === 'required' ? ['id'] : []), ...(data === undefined ? [] : ['data']), ...(more ? ['more'] : [])]
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
      description: 'Whoever gives a message an id is answered with the same one. Each side chooses its own.',
      oneOf: [
        { type: 'string', minLength: 1, maxLength: 64 },
        { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }
      ]
    })
    return this.#id
  }
}

interface Envelope {
  readonly data: undefined | JsonSchema
  readonly id: 'none' | 'optional' | 'required'
  /** Whether it is one of several, and not the last. */
  readonly more?: undefined | boolean
}

// What a client may be told of a message that it has sent.
const codes = Object.values(errors).map((Constructor) => new Constructor()).filter(isRefusal).map(({ code }) => code)

const own = {
  reply: {
    summary: 'The message was handled, or the stream has ended.',
    // An item of a stream is not also this.
    schema: (id: Reference): SchemaObject => ({ type: 'object', required: ['type', 'id'], properties: { type: { type: 'string', const: 'reply' }, id }, not: { required: ['more'] } })
  },
  error: {
    summary: 'In the place of an answer: the message could not be handled.',
    schema: (id: Reference): SchemaObject => ({
      type: 'object',
      required: ['type', 'code', 'message'],
      properties: {
        type: { type: 'string', const: 'error' },
        id,
        code: { type: 'string', description: 'One of these, or one of the app\'s own.', examples: codes },
        message: { type: 'string' },
        path: { type: 'string', description: 'Where in the data the fault is, if it is there: a JSON Pointer (RFC 6901).' }
      }
    })
  },
  cancel: {
    summary: 'The answer is not wanted any more.',
    schema: (id: Reference): SchemaObject => ({ type: 'object', required: ['type', 'id'], properties: { type: { type: 'string', const: 'cancel' }, id } })
  },
  alive: {
    summary: 'Asks for a sign of life: it is answered at once, also while messages before it wait.',
    schema: (id: Reference): SchemaObject => ({ type: 'object', required: ['type', 'id'], properties: { type: { type: 'string', const: 'alive' }, id } })
  },
  renew: {
    summary: 'A new token for the same user, in the place of the one that will expire.',
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
} as const
