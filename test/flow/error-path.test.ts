// The place of the fault in the data is sent to the client and passed to onError, by each validator
// that Fastify's users have.
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { z } from 'zod'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

interface Style {
  readonly prepare?: (app: FastifyInstance) => void
  readonly text: unknown
  readonly object: unknown
}

const check = (schema: unknown, data: unknown): undefined | object[] => {
  const isRight = schema === 'text'
    ? typeof data === 'string'
    : typeof Object(data).name === 'string'
  return isRight ? undefined : [{ instancePath: '', message: 'is wrong' }]
}
const own = (make: (schema: unknown) => unknown) => (app: FastifyInstance): void => {
  app.setValidatorCompiler((({ schema }: { schema: unknown }) => make(schema)) as never)
}

const styles: Record<string, Style> = {
  Ajv: {
    text: { type: 'string', minLength: 1 },
    object: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] }
  },
  'Ajv that is asynchronous': {
    text: { $async: true, type: 'string', minLength: 1 },
    object: {
      $async: true,
      type: 'object',
      properties: { name: { type: 'string' } },
      required: ['name']
    }
  },
  Zod: {
    prepare: (app) => {
      app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
    },
    text: z.string().min(1),
    object: z.looseObject({}).refine((data) => 'name' in data)
  },
  'one that returns { error }': {
    prepare: own((schema) => (data: unknown) => ({ error: check(schema, data) })),
    text: 'text',
    object: 'object'
  },
  'one that returns false': {
    prepare: own((schema) => {
      const validate = Object.assign(
        (data: unknown) => {
          validate.errors = check(schema, data)
          return validate.errors === undefined
        },
        { errors: undefined as undefined | object[] }
      )
      return validate
    }),
    text: 'text',
    object: 'object'
  },
  'one that rejects': {
    prepare: own((schema) => async (data: unknown) => {
      const errors = check(schema, data)
      if (errors !== undefined) throw errors
    }),
    text: 'text',
    object: 'object'
  }
}

for (const [name, { prepare = () => {}, text, object }] of Object.entries(styles)) {
  t.test(`data that is wrong as a whole has the path '': ${name}`, async (t) => {
    const app = await createApp(t)
    prepare(app)
    const heard: unknown[] = []
    app.socketRoute('/', {
      schema: {
        in: { text: { data: text }, object: { data: object }, ask: {} },
        out: { sure: { reply: text } }
      },
      on: {
        text () {},
        object () {},
        ask: async (connection: { request (type: string): Promise<unknown> }) => {
          await connection.request('sure')
        }
      },
      onError: (_connection: unknown, error: { path?: string }) => { heard.push(error.path) }
    } as never)
    const client = await connect(await listen(app))
    for (const [type, data] of [['text', {}], ['object', {}], ['object', []]] as const) {
      client.send(JSON.stringify({ type, data, id: 1 }))
      t.match(
        await client.json(),
        { type: 'error', id: 1, code: 'FSR_ERR_DATA_INVALID', path: '' },
        `${type} ${JSON.stringify(data)}`
      )
    }
    client.send('{"type":"ask","id":2}')
    const { id } = await client.json() as { id: number }
    client.send(JSON.stringify({ type: 'reply', id, data: {} }))
    t.match(await client.json(), { id: 2, code: 'FSR_ERR_HANDLER_FAILED' })
    t.strictSame(heard, ['', '', '', ''], 'that of an answer as well')
  })
}

t.test('REST and a contract tell the same place', async (t) => {
  const app = await createApp(t)
  const schema = {
    type: 'object',
    properties: {
      name: { type: 'string' },
      more: { type: 'object', properties: { count: { type: 'integer' } } }
    },
    required: ['name']
  }
  app.setErrorHandler(async (error: { validation?: Array<{ instancePath: string }> }) => ({
    path: error.validation![0]!.instancePath
  }))
  app.post('/', { schema: { body: schema } }, async () => ({}))
  app.socketRoute('/', { schema: { in: { say: { data: schema } } }, on: { say () {} } })
  const client = await connect(await listen(app))
  for (const data of [{}, [], { name: {} }, { name: 'x', more: { count: 'x' } }]) {
    client.send(JSON.stringify({ type: 'say', data, id: 1 }))
    const { path } = await client.json() as { path: string }
    t.equal(
      path,
      (await app.inject({ method: 'POST', url: '/', payload: data })).json().path,
      JSON.stringify(data)
    )
  }
})
