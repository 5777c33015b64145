import { createRequire } from 'node:module'
import type { FastifyInstance } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

// Names and values chosen by a client are in no log and in no text of an error, for all validators.

// The Ajv that Fastify comes with.
const { resolve } = createRequire(import.meta.url)
const Ajv = createRequire(resolve('fastify'))('ajv') as new (options: object) => {
  addKeyword (keyword: object): void
  compile (schema: object): never
}

const NAME = 'a name of a client'
const VALUE = 'a value of a client'

// The values searched for, also as part of a path or in another spelling.
const isTold = (text: string): boolean => /of a client|of.a.client|424242/.test(text)

interface Case {
  readonly schema: unknown
  readonly prepare?: (app: FastifyInstance) => void
  readonly data: readonly unknown[]
}

const anyName = { type: 'object', additionalProperties: { type: 'integer' } }

const cases: Record<string, Case> = {
  'Ajv: additionalProperties': {
    schema: { type: 'object', additionalProperties: false, properties: { a: { enum: [1] } } },
    data: [{ [NAME]: 1 }, { a: VALUE }]
  },
  'Ajv: names that are not in the schema': {
    schema: anyName,
    data: [{ [NAME]: VALUE }, { [NAME]: { [NAME]: 1 } }]
  },
  'Ajv: propertyNames': {
    schema: { type: 'object', propertyNames: { enum: ['a'] } },
    data: [{ [NAME]: 1 }]
  },
  'Ajv: patternProperties': {
    schema: { type: 'object', patternProperties: { '.': { type: 'integer' } } },
    data: [{ [NAME]: VALUE }]
  },
  'Ajv: enum, const, format, pattern': {
    schema: {
      anyOf: [
        { enum: ['a'] },
        { const: 'b' },
        { type: 'string', format: 'date' },
        { type: 'string', pattern: '^c$' }
      ]
    },
    data: [VALUE]
  },
  'Ajv: required and dependencies': {
    schema: { type: 'object', required: ['a'], dependencies: { [NAME]: ['b'] } },
    data: [{ a: 1, [NAME]: VALUE }, { [NAME]: 1 }]
  },
  'Ajv: $data': {
    schema: {
      type: 'object',
      properties: { most: { type: 'number' }, n: { type: 'number', maximum: { $data: '1/most' } } }
    },
    prepare: (app) => {
      const ajv = new Ajv({ $data: true })
      app.setValidatorCompiler(({ schema }) => ajv.compile(schema as object))
    },
    data: [{ most: 424242, n: 4242424 }]
  },
  'Ajv: a keyword whose text quotes': {
    schema: { type: 'object', quoting: true },
    prepare: (app) => {
      const ajv = new Ajv({})
      const validate = Object.assign(
        (_schema: unknown, data: object) => {
          validate.errors = [{
            keyword: 'quoting',
            message: `quotes ${JSON.stringify(data)}`,
            params: data
          }]
          return false
        },
        { errors: [] as unknown[] }
      )
      ajv.addKeyword({ keyword: 'quoting', errors: true, validate })
      app.setValidatorCompiler(({ schema }) => ajv.compile(schema as object))
    },
    data: [{ [NAME]: VALUE }]
  },
  Zod: {
    schema: z.strictObject({ a: z.enum(['a']), b: z.record(z.enum(['c']), z.number()).optional() }),
    prepare: (app) => {
      app.setValidatorCompiler(validatorCompiler)
      app.setSerializerCompiler(serializerCompiler)
    },
    data: [{ a: 'a', [NAME]: 1 }, { a: VALUE }, { a: 'a', b: { [NAME]: VALUE } }]
  },
  'Joi, whose errors quote': {
    schema: {},
    prepare: (app) => {
      app.setValidatorCompiler(() => (data) => ({
        error: Object.assign(new Error(`"${NAME}" must not be ${JSON.stringify(data)}`), {
          _original: data,
          details: [{ message: NAME, path: [NAME], context: { value: data } }]
        }) as never
      }))
    },
    data: [VALUE]
  },
  'one that throws': {
    schema: {},
    prepare: (app) => {
      app.setValidatorCompiler(() => (data) => {
        throw Object.assign(new Error(`no ${NAME}: ${JSON.stringify(data)}`), { code: NAME, data })
      })
    },
    data: [VALUE]
  },
  'one that rejects': {
    schema: {},
    prepare: (app) => {
      app.setValidatorCompiler(
        () =>
          (async (data: unknown) => {
            throw new TypeError(JSON.stringify(data), { cause: NAME })
          }) as never
      )
    },
    data: [VALUE]
  },
  'one that returns a text': {
    schema: {},
    prepare: (app) => {
      app.setValidatorCompiler(() => (data) =>
        ({ error: `${NAME} ${JSON.stringify(data)}` }) as never)
    },
    data: [VALUE]
  }
}

async function createWatched (t: Test, prepare: Case['prepare'] = () => {}): Promise<{
  app: FastifyInstance
  lines: string[]
}> {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: {
      ajv: { customOptions: { removeAdditional: false } },
      logger: { level: 'trace', stream: { write: (line) => { lines.push(line) } } }
    }
  })
  prepare(app)
  return { app, lines }
}

const textsOf = (error: Error): string =>
  [
    error.name,
    error.message,
    error.stack,
    String(error),
    JSON.stringify(error),
    (error as { code?: string }).code
  ].join('\n')

for (const [what, { schema, prepare, data }] of Object.entries(cases)) {
  t.test(`${what}: nothing that a client has chosen is told`, async (t) => {
    const { app, lines } = await createWatched(t, prepare)
    const errors: Error[] = []
    const controller = {
      schema: { in: { say: { data: schema }, ask: {} }, out: { sure: { reply: schema } } },
      on: {
        say () {},
        async ask (connection: { request (type: string): Promise<unknown> }) {
          await connection.request('sure')
        }
      }
    }
    const onError = (connection: { log: { warn (error: unknown): void } }, error: Error): void => {
      errors.push(error)
      connection.log.warn(error)
    }
    app.socketRoute('/heard', { ...controller, onError } as never)
    app.socketRoute('/unheard', controller as never)
    app.socketRoute('/closed', controller as never, { invalidMessages: 'close' })
    const url = await listen(app)
    for (const path of ['/heard', '/unheard']) {
      for (const each of data) {
        const client = await connect(url + path)
        client.send(JSON.stringify({ type: 'say', data: each }))
        t.match(await client.json(), { type: 'error' })
        client.send('{"type":"ask","id":1}')
        const { id } = await client.json() as { id: number }
        client.send(JSON.stringify({ type: 'reply', id, data: each }))
        t.match(await client.json(), {
          type: 'error',
          id: 1,
          message: 'The message could not be handled'
        })
        await client.close()
      }
    }
    const closed = await connect(`${url}/closed`)
    closed.send(JSON.stringify({ type: 'say', data: data[0] }))
    if (what === 'one that throws') await closed.close()
    else t.strictSame(await closed.closed, { code: 1007, reason: 'invalid payload' })
    t.equal(errors.length, data.length * 2)
    for (const error of errors) t.notOk(isTold(textsOf(error)), textsOf(error))
    t.ok(lines.length > 5)
    t.notOk(lines.some(isTold), lines.filter(isTold).join(''))
  })
}

t.test('errors quote no value of a client: types, rooms, codes, tickets', async (t) => {
  const { app, lines } = await createWatched(t)
  const errors: Error[] = []
  const name = `${NAME} ${VALUE}`
  interface Connection {
    send (type: string): void
    request (type: string): Promise<unknown>
    join (room: unknown): void
    to (room: unknown): unknown
    close (code: unknown, reason?: unknown): void
  }
  const tries: Record<string, (connection: Connection) => unknown> = {
    send: (connection) => { connection.send(name) },
    request: async (connection) => await connection.request(name),
    join: (connection) => { connection.join(name.repeat(20)) },
    'join an object': (connection) => { connection.join({ [name]: name }) },
    to: (connection) => { connection.to([name, 5]) },
    close: (connection) => { connection.close(424242) },
    'close with a text': (connection) => { connection.close(name) },
    reason: (connection) => { connection.close(4000, name.repeat(20)) },
    ticket: async () => await app.socketTicket({ headers: {} }, { route: name }),
    revoke: async () => await app.socketRevoke({ sub: 'a', [name]: name } as never),
    'revoke nobody': async () => await app.socketRevoke({ sub: { [name]: name } } as never)
  }
  app.socketRoute('/', {
    schema: {
      in: Object.fromEntries(Object.keys(tries).map((each) => [each, {}])),
      out: { told: null }
    },
    on: tries,
    onError (connection: { log: { warn (error: unknown): void } }, error: Error) {
      errors.push(error)
      connection.log.warn(error)
    }
  } as never)
  const client = await connect(await listen(app))
  for (const type of [name, ...Object.keys(tries)]) {
    client.send(JSON.stringify({ type, id: 1, data: name }))
    t.match(await client.json(), { type: 'error', id: 1 }, type)
  }
  client.send(`{"type":"${name}"`)
  client.send(JSON.stringify({ type: 5, [name]: name }))
  await client.take(2)
  t.equal(errors.length, Object.keys(tries).length + 3)
  for (const error of errors) t.notOk(isTold(textsOf(error)), textsOf(error))
  t.notOk(lines.some(isTold), lines.filter(isTold).join(''))
})
