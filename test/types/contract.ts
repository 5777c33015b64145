// A contract says what may be sent, in both directions, in one object.
import Fastify from 'fastify'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { defineController } from 'fastify-socket-route'
import { Type } from 'typebox'
import { z } from 'zod'
import { is } from './expect.js'

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()

// Exported, so that every type in it has to have a name that its users can write.
export const chat = app.socketRoute('/chat/:room', {
  schema: {
    in: {
      say: { data: Type.Object({ text: Type.String() }) },
      join: {
        data: Type.Object({ room: Type.String() }),
        reply: Type.Object({ members: Type.Number() })
      },
      ticks: { data: Type.Number(), stream: Type.Object({ at: Type.Number() }) },
      leave: {}
    },
    out: {
      message: Type.Object({ from: Type.String(), text: Type.String() }),
      bye: { data: Type.Number() },
      ask: { data: Type.Object({ question: Type.String() }), reply: Type.Boolean() }
    }
  },
  on: {
    say (connection, data, context) {
      is<{ text: string }>()(data)
      is<{ room: string }>()(connection.params)
      is<AbortSignal>()(context.signal)
      connection.to('lobby').send('message', { from: connection.id, text: data.text })
      context.clients.broadcast('bye', 1, { except: connection })
      // @ts-expect-error no such message
      connection.send('massage', { from: '', text: '' })
      // @ts-expect-error not its data
      connection.send('message', { from: 1, text: '' })
      // @ts-expect-error not a raw message
      connection.send('message')
    },
    async join (connection, { room }) {
      is<string>()(room)
      await connection.join(room)
      return { members: 1 }
    },
    async * ticks (_connection, count) {
      is<number>()(count)
      yield { at: 1 }
    },
    leave (_connection, data) { is<undefined>()(data) }
  },
  onOpen (connection) { connection.send('message', { from: 'server', text: 'hi' }) }
}, ['ROLE_USER'])

chat.to('lobby').send('message', { from: 'server', text: 'hi' })
// @ts-expect-error
chat.to('lobby').send('message', { from: 'server', text: 1 })
chat.broadcast('message', { from: 'server', text: 'hi' }, {})
type Seen = NonNullable<(typeof chat)['~contract']>
declare const seen: Seen
is<{ room: string }>()(seen.in.join.data)
is<{ members: number }>()(seen.in.join.reply)
is<{ at: number }>()(seen.in.ticks.stream)
is<undefined>()(seen.in.say.reply)
is<boolean>()(seen.out.ask.reply)

export const raw = app.socketRoute(
  '/raw/:room',
  { onMessage: (_connection, message) => message },
  'ROLE_USER'
)

// Parts of the request that are validated before the upgrade are typed as on any route.
export const pages = app.socketRoute('/pages/:page', {
  schema: { in: { turn: {} } },
  on: {
    turn (connection) {
      is<{ page: number }>()(connection.params)
      is<{ size?: number }>()(connection.query)
      is<string>()(connection.headers['x-device'])
    }
  }
}, {
  schema: {
    params: Type.Object({ page: Type.Integer() }),
    querystring: Type.Object({ size: Type.Optional(Type.Integer()) }),
    headers: Type.Object({ 'x-device': Type.String() })
  }
})
for (const client of pages.clients) is<{ page: number }>()(client.params)

// With other providers, and with none.
const jsonSchema = Fastify().withTypeProvider<JsonSchemaToTsProvider>()
export const ofJsonSchema = jsonSchema.socketRoute('/chat', {
  schema: {
    in: {
      say: {
        data: {
          type: 'object',
          properties: { text: { type: 'string' }, kind: { enum: ['a', 'b'] } },
          required: ['text']
        },
        reply: { type: 'integer' }
      }
    },
    out: {
      message: {
        type: 'object',
        properties: { at: { type: 'number' } },
        required: ['at'],
        additionalProperties: false
      }
    }
  },
  on: {
    say (connection, { text, kind }) {
      is<string>()(text)
      is<undefined | 'a' | 'b'>()(kind)
      connection.send('message', { at: 1 })
      // @ts-expect-error not its data
      connection.send('message', { at: '1' })
      return 1
    }
  }
})
jsonSchema.socketRoute('/elsewhere', defineController<JsonSchemaToTsProvider>()({
  schema: { in: { say: { data: { type: 'string' } } } },
  on: { say (_connection, data) { is<string>()(data) } }
}))

const zod = Fastify().withTypeProvider<ZodTypeProvider>()
export const ofZod = zod.socketRoute('/chat', {
  schema: {
    in: {
      say: {
        data: z.object({
          at: z.iso.datetime().transform((text) => new Date(text)),
          count: z.number().default(1)
        }),
        reply: z.object({ year: z.number() })
      }
    },
    out: { message: z.object({ text: z.string() }) }
  },
  on: {
    say (connection, { at, count }) {
      is<Date>()(at)
      is<number>()(count)
      connection.send('message', { text: '' })
      return { year: at.getUTCFullYear() }
    }
  }
})
declare const seenWithZod: NonNullable<(typeof ofZod)['~contract']>
// The type that a client writes, before it is transformed.
is<string>()(seenWithZod.in.say.data.at)
is<undefined | number>()(seenWithZod.in.say.data.count)

export const untyped = Fastify().socketRoute('/chat/:room', {
  schema: {
    in: { say: { data: { type: 'object' }, reply: { type: 'string' } } },
    out: { message: { type: 'string' }, bye: null }
  },
  on: {
    say (connection, data) {
      is<unknown>()(data)
      is<{ room: string }>()(connection.params)
      connection.send('bye')
      // @ts-expect-error no such message
      connection.send('massage', '')
      return 'whatever'
    }
  }
})

// A contract in a variable, in parts, and the handlers before it.
const part = { in: { ping: { reply: Type.Literal('pong') } }, out: { bye: null } }
app.socketRoute('/parts', {
  on: {
    ping: (_connection) => 'pong',
    say (connection, { text }) {
      is<string>()(text)
      connection.send('bye')
      connection.send('message', { text })
    }
  },
  schema: {
    in: { ...part.in, say: { data: Type.Object({ text: Type.String() }) } },
    out: { ...part.out, message: Type.Object({ text: Type.String() }) }
  }
})
