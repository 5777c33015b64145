// Messages of a client are typed as they are on the wire, for each type provider.
import Fastify from 'fastify'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { FastifyTypeProvider } from 'fastify'
import { Type } from 'typebox'
import { z } from 'zod'
import { connect } from '../../src/client/index.js'
import type { AsJson } from '../../src/contract/as-json.js'
import 'fastify-socket-route'
import { is, type Equal, type Expect } from './expect.js'

class Money {
  readonly amount = 1
  #secret = 0
  get secret () { return this.#secret }
  add (more: number) { this.#secret += more }
}
class Told {
  toJSON () { return { at: new Date(), told: true } }
}
interface Tree { readonly name: string, readonly at?: Date, readonly children: readonly Tree[] }
declare const key: unique symbol
type Branded = string & { readonly brand: 'id' }

export type Rules = [
  Expect<Equal<AsJson<Date>, string>>,
  Expect<Equal<AsJson<Date | null>, string | null>>,
  Expect<Equal<AsJson<'a' | 1 | true | null>, 'a' | 1 | true | null>>,
  Expect<Equal<AsJson<Branded>, Branded>>,
  Expect<Equal<AsJson<unknown>, unknown>>,
  Expect<Equal<AsJson<any>, any>>,
  Expect<Equal<AsJson<undefined>, undefined>>,
  Expect<Equal<AsJson<never>, never>>,
  Expect<Equal<AsJson<bigint>, never>>,
  Expect<Equal<AsJson<Map<string, Date>>, Record<string, never>>>,
  Expect<Equal<AsJson<Set<1>>, Record<string, never>>>,
  Expect<Equal<AsJson<Uint8Array>, Record<string, number>>>,
  Expect<Equal<AsJson<() => void>, undefined>>,
  Expect<Equal<AsJson<{
    a: string
    b?: number
    readonly c: null
  }>, { a: string, b?: number, readonly c: null }>>,
  Expect<Equal<AsJson<{ at: Date, list: Date[], of: [Date, 'a'] }>, {
    at: string
    list: string[]
    of: [string, 'a']
  }>>,
  Expect<Equal<AsJson<Array<string | undefined>>, Array<string | null>>>,
  Expect<Equal<AsJson<readonly [undefined, Date?]>, readonly [null, (string | null)?]>>,
  Expect<Equal<AsJson<{ a: Date | undefined, b: 1 }>, { b: 1, a?: string }>>,
  Expect<Equal<AsJson<{ a: undefined, b: 1, c: () => void, [key]: 1 }>, { b: 1 }>>,
  Expect<Equal<AsJson<{ a: unknown, b: never }>, { a: unknown, b: never }>>,
  Expect<Equal<AsJson<Record<string, Date>>, Record<string, string>>>,
  Expect<Equal<AsJson<{ k: 'a', at: Date } | { k: 'b' }>, { k: 'a', at: string } | { k: 'b' }>>,
  Expect<Equal<AsJson<Money>, { readonly amount: 1, readonly secret: number }>>,
  Expect<Equal<AsJson<Told>, { at: string, told: boolean }>>,
  Expect<Equal<AsJson<URL>, string>>,
  Expect<Equal<AsJson<{ price: Money }>, {
    price: { readonly amount: 1, readonly secret: number }
  }>>
]
const tree = {} as AsJson<Tree>
is<string | undefined>()(tree.children[0]?.children[0]?.at)

// Zod, with codecs: a handler gets the output, the client sends and reads the input, and all as
// JSON.
const when = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString()
})
const zod = Fastify().withTypeProvider<ZodTypeProvider>().socketRoute('/zod', {
  schema: {
    in: {
      at: { data: z.object({ when }), reply: z.object({ when, back: z.date() }) },
      ticks: { data: z.number().default(5), stream: z.object({ when }) },
      coerced: {
        data: z.object({ when: z.coerce.date() }),
        reply: z.object({ name: z.string().default('nobody'), page: z.number().optional() })
      }
    },
    out: {
      tick: z.object({ at: z.date() }),
      ask: { data: z.object({ until: when }), reply: z.object({ when }) }
    }
  },
  on: {
    at (connection, data) {
      is<{ when: Date }>()(data)
      connection.send('tick', { at: new Date() })
      // @ts-expect-error the server sends a date, which the schema writes
      connection.send('tick', { at: 'now' })
      return { when: data.when, back: data.when }
    },
    async * ticks (connection, count) {
      is<number>()(count)
      is<{ when: Date }>()(await connection.request('ask', { until: new Date() }))
      yield { when: new Date() }
    },
    coerced: (_connection, data) => { is<{ when: Date }>()(data); return { name: 'a', page: 1 } }
  }
})
const ofZod = connect<typeof zod>('wss://example.test/zod')
is<{ when: string, back: string }>()(await ofZod.request('at', { when: '2026-01-01T00:00:00Z' }))
// @ts-expect-error the text is what is sent
await ofZod.request('at', { when: new Date() })
for await (const item of ofZod.stream('ticks')) is<{ when: string }>()(item)
const coerced = await ofZod.request('coerced', { when: '2026' })
is<number | undefined>()(coerced.page)
ofZod.on('tick', (data) => { is<{ at: string }>()(data) })
ofZod.on('ask', ({ until }) => ({ when: until }))

// A provider of before: what is sent is the input of a schema, and its output is what arrives.
interface OlderProvider extends FastifyTypeProvider {
  readonly validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown
  readonly serializer: this['schema'] extends z.ZodType ? z.input<this['schema']> : unknown
}
const older = Fastify().withTypeProvider<OlderProvider>().socketRoute('/older', {
  schema: {
    in: { count: { data: z.string(), reply: z.string().transform((text) => text.length) } }
  },
  on: { count: (_connection, text) => text }
})
is<number>()(await connect<typeof older>('wss://example.test/older').request('count', 'abc'))

// TypeBox, where a schema stands for something that JSON has not.
const typebox = Fastify().withTypeProvider<TypeBoxTypeProvider>().socketRoute('/typebox', {
  schema: {
    in: {
      at: {
        data: Type.Object({ text: Type.String() }),
        reply: Type.Object({
          at: Type.Unsafe<Date>(Type.String({ format: 'date-time' })),
          page: Type.Optional(Type.Number())
        })
      }
    },
    out: { tick: Type.Unsafe<Date>(Type.String({ format: 'date-time' })) }
  },
  on: {
    at (connection, { text }) {
      is<string>()(text)
      connection.send('tick', new Date())
      return { at: new Date() }
    }
  }
})
const ofTypebox = connect<typeof typebox>('wss://example.test/typebox')
is<{ at: string, page?: number }>()(await ofTypebox.request('at', { text: 'a' }))
ofTypebox.on('tick', (at) => { is<string>()(at) })

// json-schema-to-ts, where a format is read and written as a date.
type Dates = { deserialize: [{ pattern: { type: 'string', format: 'date-time' }, output: Date }] }
const json = Fastify().withTypeProvider<JsonSchemaToTsProvider<{
  SerializerSchemaOptions: Dates
}>>().socketRoute('/json', {
  schema: {
    in: {
      at: {
        data: { type: 'integer' },
        reply: {
          type: 'object',
          properties: { at: { type: 'string', format: 'date-time' } },
          required: ['at'],
          additionalProperties: false
        }
      }
    },
    out: { tick: { type: 'array', items: { type: 'string', format: 'date-time' } } }
  },
  on: {
    at (connection) {
      connection.send('tick', [new Date()])
      return { at: new Date() }
    }
  }
})
const ofJson = connect<typeof json>('wss://example.test/json')
is<{ at: string }>()(await ofJson.request('at', 1))
ofJson.on('tick', (data) => { is<string[]>()(data) })
