import { createRequire } from 'node:module'
import { runInNewContext } from 'node:vm'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { connect, refusal } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

// The Ajv that Fastify comes with.
const { resolve } = createRequire(import.meta.url)
const Ajv = createRequire(resolve('fastify'))('ajv') as new (options: object) => {
  addKeyword (keyword: object): void
  compile (schema: object): unknown
}

// The same validators through REST, with Fastify's own responses, and through a contract.

type Validate = ((data: unknown, ...more: unknown[]) => unknown) & { errors?: unknown }

const fault = [{
  keyword: 'wrong',
  instancePath: '',
  schemaPath: '#/wrong',
  params: {},
  message: 'is wrong'
}]
const refusing = (): Validate => Object.assign(() => false, { errors: fault })
const thenable = (settle: () => Promise<unknown>) => ({
  then: (resolve: never, reject: never) => settle().then(resolve, reject)
})
const foreign = runInNewContext(
  '(make) => (async () => await make())()'
) as (make: () => unknown) => unknown
const resolving = (value: unknown) => Object.assign(async () => value, { errors: fault })

const validators: Record<string, Validate> = {
  'returns true': () => true,
  'returns nothing': () => undefined,
  'returns null': () => null,
  'returns a text': () => 'text',
  'returns 0': () => 0,
  'returns an empty object': () => ({}),
  'returns false and has errors': refusing(),
  'returns { value }': () => ({ value: 'made' }),
  'returns { value } that is nothing': () => ({ value: null }),
  'returns { error } that is an error': () => ({ error: new Error('no') }),
  'returns { error } that is a list': () => ({ error: fault }),
  'returns { error } and { value }': () => ({ error: new Error('no'), value: 'made' }),
  'returns { error } that is undefined, and { value }': () => ({ error: undefined, value: 'made' }),
  'returns { error } that is null': () => ({ error: null }),
  'returns a function with error': () => Object.assign(() => {}, { error: new Error('no') }),
  'returns a function with value': () => Object.assign(() => {}, { value: 'made' }),
  'returns the data': (data) => data,
  throws: () => { throw new Error('no') },
  'resolves with true': resolving(true),
  'resolves with nothing': resolving(undefined),
  'resolves with false and has errors': resolving(false),
  'resolves with { value }': resolving({ value: 'made' }),
  'resolves with { error }': resolving({ error: new Error('no') }),
  rejects: async () => { throw new Error('no') },
  'rejects with a list': async () => { throw fault },
  'returns a thenable that resolves': () => thenable(async () => true),
  'returns a thenable that rejects': () => thenable(async () => { throw new Error('no') }),
  'returns a thenable of false': Object.assign(
    () => thenable(async () => false),
    { errors: fault }
  ),
  'returns a promise of another realm that resolves': () => foreign(async () => true),
  'returns a promise of another realm that rejects': () => foreign(async () => {
    throw new Error('no')
  })
}

const joi = {
  validate: (data: unknown) => typeof data === 'string'
    ? { value: data.trim() }
    : {
        value: data,
        error: Object.assign(new Error('"value" must be a string'), {
          name: 'ValidationError',
          details: []
        })
      }
}
const zod = {
  safeParse: (data: unknown) => typeof data === 'string'
    ? { success: true, data: `zod ${data}` }
    : { success: false, error: Object.assign(new Error('[]'), { issues: [] }) }
}
const yup = {
  validateSync (data: unknown) {
    if (typeof data !== 'string') throw new Error('must be a string')
    return `yup ${data}`
  }
}

// As the documents of Fastify and of its type providers compile them.
const styles: Record<string, Validate> = {
  Joi: (data) => joi.validate(data),
  Zod: (data) => {
    const { success, data: value, error } = zod.safeParse(data) as {
      success: boolean
      data?: unknown
      error?: unknown
    }
    return success ? { value } : { error }
  },
  yup: (data) => {
    try { return { value: yup.validateSync(data) } } catch (error) { return { error } }
  }
}

interface Outcome { readonly taken: unknown, readonly refused: boolean, readonly failed: boolean }

// The body that the handler gets, if it is called.
async function overRest (app: FastifyInstance, data: unknown): Promise<Outcome> {
  const { statusCode, body } = await app.inject({
    method: 'POST',
    url: '/rest',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(data)
  })
  return {
    taken: statusCode === 200 ? JSON.parse(body).taken : 'none',
    refused: statusCode === 400,
    failed: statusCode === 500
  }
}

async function overContract (url: string, data: unknown): Promise<Outcome> {
  const client = await connect(`${url}/contract`)
  client.send(JSON.stringify({ type: 'say', id: 1, data }))
  const { data: answer, code } = await client.json() as { data?: { taken: unknown }, code?: string }
  await client.close()
  return {
    taken: answer === undefined ? 'none' : answer.taken,
    refused: code === 'FSR_ERR_DATA_INVALID',
    failed: code === 'FSR_ERR_HANDLER_FAILED'
  }
}

// The answer of a client, as the server gets it.
async function overAnswer (url: string, data: unknown): Promise<Outcome> {
  const client = await connect(`${url}/contract`)
  client.send('{"type":"ask","id":1}')
  const { id } = await client.json() as { id: number }
  client.send(JSON.stringify({ type: 'reply', id, data }))
  const { data: answer } = await client.json() as { data: { taken: unknown, code?: string } }
  await client.close()
  return {
    taken: answer.code === undefined ? answer.taken : 'none',
    refused: answer.code === 'FSR_ERR_ANSWER_INVALID',
    failed: answer.code === 'FSR_ERR_VALIDATOR_FAILED'
  }
}

async function createPair (
  t: Test,
  schema: unknown,
  prepare: (app: FastifyInstance) => void = () => {}
): Promise<{ app: FastifyInstance, url: string }> {
  const app = await createApp(t)
  prepare(app)
  app.setSerializerCompiler(() => JSON.stringify)
  const taken = (data: unknown): object => ({ taken: data === undefined ? 'nothing' : data })
  app.post('/rest', { schema: { body: schema } }, async ({ body }) => taken(body))
  app.socketRoute('/contract', {
    schema: {
      in: { say: { data: schema, reply: {} }, ask: { reply: {} } },
      out: { sure: { reply: schema } }
    },
    on: {
      say: (_connection: unknown, data: unknown) => taken(data),
      async ask (connection: { request (type: string): Promise<unknown> }) {
        try {
          return taken(await connection.request('sure'))
        } catch (error) {
          return { code: (error as { code: string }).code }
        }
      }
    }
  } as never)
  return { app, url: await listen(app) }
}

for (const [what, validate] of Object.entries({ ...validators, ...styles })) {
  t.test(`a validator that ${what} is taken at its word by a contract as by REST`, async (t) => {
    const { app, url } = await createPair(t, { any: true }, (app) => {
      app.setValidatorCompiler(() => validate as never)
    })
    for (const data of ['given', 5, { error: 'of the data', value: 'of the data' }]) {
      const expected = await overRest(app, data)
      t.strictSame(
        await overContract(url, data),
        expected,
        `${JSON.stringify(data)}: ${JSON.stringify(expected)}`
      )
      t.strictSame(await overAnswer(url, data), expected, 'and of an answer')
    }
  })
}

const schemas: Record<string, object> = {
  text: { type: 'string', maxLength: 5 },
  count: { type: 'integer', minimum: 1, maximum: 10 },
  number: { type: 'number' },
  flag: { type: 'boolean' },
  nothing: { type: 'null' },
  list: { type: 'array', items: { type: 'integer' } },
  inside: {
    type: 'object',
    properties: { n: { type: 'integer' }, list: { type: 'array' }, missing: { default: 'made' } }
  },
  either: { anyOf: [{ type: 'integer' }, { type: 'boolean' }] },
  many: { type: ['integer', 'null'] },
  referred: { $ref: '#/definitions/count', definitions: { count: { type: 'integer' } } },
  constant: { const: 'a' }
}

const samples = [
  'a',
  '',
  '3',
  '3.5',
  'false',
  'true',
  'null',
  'a text that is long',
  0,
  1,
  7,
  3.5,
  true,
  false,
  null,
  [],
  ['3'],
  ['a'],
  [[]],
  {},
  { n: '3' },
  { n: 'a' },
  { list: 'a' },
  { n: null }
]

for (const [name, schema] of Object.entries(schemas)) {
  t.test(`values that Ajv changes for ${name} reach handlers and requesters`, async (t) => {
    const { app, url } = await createPair(t, schema)
    for (const data of samples) {
      const expected = await overRest(app, data)
      t.strictSame(
        await overContract(url, data),
        expected,
        `${JSON.stringify(data)}: ${JSON.stringify(expected)}`
      )
      t.strictSame(await overAnswer(url, data), expected, 'and of an answer')
    }
  })
}

t.test('an asynchronous validator of Ajv is awaited, and its result is used', async (t) => {
  const ajv = new Ajv({ coerceTypes: 'array', useDefaults: true })
  ajv.addKeyword({
    keyword: 'isFree',
    async: true,
    type: 'integer',
    validate: async (_schema: unknown, data: number) => data !== 4
  })
  const { app, url } = await createPair(
    t,
    { $async: true, type: 'integer', isFree: true },
    (app) => { app.setValidatorCompiler(({ schema }) => ajv.compile(schema as object) as never) }
  )
  for (const data of ['3', 4, '4', 'a', null]) {
    const expected = await overRest(app, data)
    t.strictSame(
      await overContract(url, data),
      expected,
      `${JSON.stringify(data)}: ${JSON.stringify(expected)}`
    )
    t.strictSame(await overAnswer(url, data), expected)
  }
})

t.test('rejecting without an error: accepted by Fastify, not by a contract', async (t) => {
  for (const validate of [
    () => false,
    () => Promise.reject(), // eslint-disable-line prefer-promise-reject-errors
    async () => false
  ]) {
    const { app, url } = await createPair(t, {}, (app) => {
      app.setValidatorCompiler(() => validate as never)
    })
    t.match(await overRest(app, 'given'), { taken: 'given' })
    t.match(await overContract(url, 'given'), { refused: true })
    await app.close()
  }
})

for (const [part, kept] of [
  ['params', 'params'],
  ['querystring', 'query'],
  ['headers', 'headers']
] as const) {
  t.test(`${part} before an upgrade are validated as those of REST`, async (t) => {
    for (const [what, validate] of Object.entries(validators)) {
      const app = await createApp(t)
      app.setValidatorCompiler(() => validate as never)
      const seen: unknown[] = []
      const told = (of: object): unknown => {
        const value = (of as Record<string, unknown>)[kept]
        // The handshake has other validators.
        return part === 'headers' && typeof value === 'object' && value !== null
          ? 'headers'
          : value ?? 'nothing'
      }
      const schema = { [part]: { any: true } }
      app.get('/rest/:id', { schema }, async (request) => ({ taken: told(request) }))
      app.socketRoute(
        '/socket/:id',
        { onOpen: (connection) => { seen.push(told(connection)); return 'open' } },
        { schema }
      )
      const url = await listen(app)
      const { statusCode, body } = await app.inject('/rest/1?a=1')
      if (statusCode === 200) {
        await (await connect(`${url}/socket/1?a=1`)).next()
        t.same(seen, [JSON.parse(body).taken], what)
      } else {
        t.equal((await refusal(`${url}/socket/1?a=1`)).status, statusCode, what)
      }
      await app.close()
    }
  })
}

t.test('parameters that Ajv changes are those of the connection', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/:id', { onOpen: ({ params, query }) => ({ params, query }) }, {
    schema: {
      params: { type: 'object', properties: { id: { type: 'integer' } } },
      querystring: {
        type: 'object',
        properties: {
          list: { type: 'array', items: { type: 'integer' } },
          yes: { type: 'boolean', default: true }
        }
      }
    }
  })
  const url = await listen(app)
  t.strictSame(await (await connect(`${url}/7?list=1`)).json(), {
    params: { id: 7 },
    query: { list: [1], yes: true }
  })
  t.equal((await refusal(`${url}/seven`)).status, 400)
})
