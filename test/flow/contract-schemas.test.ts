// Contracts are validated and serialised by the app's own compilers, in the scope of the route:
// those of Fastify, or its own.
import type { FastifyInstance } from 'fastify'
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider
} from 'fastify-type-provider-zod'
import t from 'tap'
import { z } from 'zod'
import { connect, type Client } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

const ask = async (client: Client, message: object): Promise<unknown> => {
  client.send(JSON.stringify(message))
  return await client.json()
}

const echo = (data: unknown, reply: unknown = data) => ({
  schema: { in: { echo: { data, reply } } },
  on: { echo: (_connection: unknown, given: unknown) => given }
})

t.test('schemas that were added can be referred to, each scope its own', async (t) => {
  const app = await createApp(t)
  app.addSchema({ $id: 'name', type: 'string', maxLength: 3 })
  const scope = (maxLength: number) => async (scope: FastifyInstance): Promise<void> => {
    scope.addSchema({
      $id: 'room',
      type: 'object',
      properties: { name: { $ref: 'name#' }, text: { type: 'string', maxLength } },
      required: ['name']
    })
    scope.socketRoute('/echo', echo({ $ref: 'room#' }))
  }
  await app.register(scope(1), { prefix: '/one' })
  await app.register(scope(2), { prefix: '/two' })
  app.socketRoute('/echo', echo({ $ref: 'name#' }))
  const url = await listen(app)
  const [root, one, two] = [
    await connect(`${url}/echo`),
    await connect(`${url}/one/echo`),
    await connect(`${url}/two/echo`)
  ]
  t.same(await ask(root, { type: 'echo', data: 'abc', id: 1 }), {
    type: 'reply',
    id: 1,
    data: 'abc'
  })
  t.match(await ask(root, { type: 'echo', data: 'abcd', id: 1 }), { code: 'FSR_ERR_DATA_INVALID' })
  t.same(await ask(two, { type: 'echo', data: { name: 'abc', text: 'ab', more: 1 }, id: 1 }), {
    type: 'reply',
    id: 1,
    data: { name: 'abc', text: 'ab' }
  })
  t.match(await ask(one, { type: 'echo', data: { name: 'abc', text: 'ab' }, id: 1 }), {
    code: 'FSR_ERR_DATA_INVALID',
    path: '/text'
  })
  t.match(await ask(one, { type: 'echo', data: { name: 'abcd' }, id: 1 }), {
    code: 'FSR_ERR_DATA_INVALID',
    path: '/name'
  })
})

t.test('data gets defaults and conversions as a body in Fastify does', async (t) => {
  const app = await createApp(t)
  app.socketRoute(
    '/echo',
    echo({
      type: 'object',
      properties: { count: { type: 'integer' }, by: { type: 'integer', default: 5 } }
    })
  )
  t.same(
    await ask(await connect(`${await listen(app)}/echo`), {
      type: 'echo',
      data: { count: '1' },
      id: 1
    }),
    { type: 'reply', id: 1, data: { count: 1, by: 5 } }
  )
})

t.test('with other compilers schemas are theirs', async (t) => {
  const app = (await createApp(t)).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  const seen: unknown[] = []
  app.socketRoute('/zod', {
    schema: {
      in: {
        at: {
          data: z.object({ at: z.iso.datetime().transform((text) => new Date(text)) }),
          reply: z.object({ year: z.number() })
        }
      },
      out: { event: z.object({ text: z.string() }) }
    },
    on: {
      at (connection, { at }) {
        connection.send('event', { text: 'a', secret: true } as { text: string })
        return { year: at.getUTCFullYear(), secret: true }
      }
    },
    onError (_connection, error) { seen.push(error) }
  })
  const client = await connect(`${await listen(app)}/zod`)
  client.send(JSON.stringify({ type: 'at', data: { at: '2026-01-01T00:00:00Z' }, id: 1 }))
  t.same(await client.take(2), [
    '{"type":"event","data":{"text":"a"}}',
    '{"type":"reply","id":1,"data":{"year":2026}}'
  ])
  t.match(await ask(client, { type: 'at', data: { at: 'yesterday' }, id: 1 }), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_DATA_INVALID',
    path: '/at'
  })
  t.match(seen, [{ code: 'FSR_ERR_DATA_INVALID', validation: [{ instancePath: '/at' }] }])
})

t.test('a validator of a scope may answer in every way that Fastify knows', async (t) => {
  const app = await createApp(t)
  const answers: Record<string, () => unknown> = {
    value: () => ({ value: 'changed' }),
    later: async () => ({ value: 'changed later' }),
    good: () => true,
    fault: () => ({ error: new Error('quotes "a secret"') }),
    laterSo: async () => ({ error: new Error('a secret') }),
    rejects: async () => { throw new Error('a secret') },
    nothing: () => undefined,
    throws: () => { throw new Error('a secret') }
  }
  const errors: Error[] = []
  await app.register(async (scope) => {
    scope.setValidatorCompiler(({ schema }) => answers[String(schema)] as never)
    scope.setSerializerCompiler(() => (data) => JSON.stringify(data))
    const names = Object.keys(answers)
    scope.socketRoute('/any', {
      schema: { in: Object.fromEntries(names.map((name) => [name, { data: name, reply: name }])) },
      on: Object.fromEntries(names.map((name) => [
        name,
        (_connection: unknown, data: unknown) => name === 'good' ? undefined : data
      ])),
      onError (_connection: unknown, error: Error) { errors.push(error) }
    })
  })
  const client = await connect(`${await listen(app)}/any`)
  const reply = async (type: string): Promise<unknown> => await ask(client, {
    type,
    data: 'given',
    id: 1
  })
  t.match(await reply('value'), { data: 'changed' })
  t.match(await reply('later'), { data: 'given' }, 'the value of a promise is no answer')
  t.match(await reply('laterSo'), { data: 'given' })
  t.match(
    await reply('good'),
    { type: 'error', code: 'FSR_ERR_HANDLER_FAILED' },
    'it was handled; but a reply that is nothing cannot be written'
  )
  t.match(await reply('nothing'), { data: 'given' })
  for (const type of ['fault', 'rejects']) {
    t.same(
      await reply(type),
      {
        type: 'error',
        id: 1,
        code: 'FSR_ERR_DATA_INVALID',
        message: 'data does not match the contract'
      },
      'a text that may quote the data is for onError alone'
    )
  }
  t.same(
    await reply('throws'),
    {
      type: 'error',
      id: 1,
      code: 'FSR_ERR_HANDLER_FAILED',
      message: 'The message could not be handled'
    },
    'one that fails has not looked at the data'
  )
  t.match(errors, [
    { code: 'FSR_ERR_EVENT_INVALID' },
    { validation: { message: 'quotes "a secret"' } },
    {},
    { code: 'FSR_ERR_VALIDATOR_FAILED', validation: { message: 'a secret' } }
  ])
})

t.test('a schema that cannot be compiled fails when the app gets ready', async (t) => {
  const none = { type: 'nothing that there is' }
  const on = { say () {}, join () {}, async * count () {} }
  for (const [place, schema] of [
    ["data of 'say'", { in: { join: {}, say: { data: none }, count: {} } }],
    ["reply of 'join'", { in: { say: {}, join: { reply: none }, count: {} } }],
    ["stream of 'count'", { in: { say: {}, join: {}, count: { stream: none } } }],
    ["data of 'told' in out", { in: { say: {}, join: {}, count: {} }, out: { told: none } }],
    [
      "reply of 'asked' in out",
      { in: { say: {}, join: {}, count: {} }, out: { asked: { reply: none } } }
    ]
  ] as const) {
    const app = await createApp(t)
    app.socketRoute('/chat', { schema, on } as never)
    await t.rejects(
      Promise.resolve(app.ready()),
      {
        code: 'FSR_ERR_CONTRACT_INVALID',
        message: new RegExp(`'/chat' cannot be compiled, in the ${place}: `),
        cause: Error
      },
      place
    )
  }
})

t.test('a contract that is none is refused at registration, with the cure', async (t) => {
  const app = await createApp(t)
  const on = { say () {} }
  const wrong: Array<[controller: object, message: RegExp]> = [
    [{ schema: { in: { say: {} } } }, /has no handlers/],
    [{ on }, /give the controller a schema/],
    [{ schema: [], on }, /give the controller a schema/],
    [{ schema: { in: [] }, on }, /messages by their type/],
    [{ schema: { out: null }, on: {} }, /messages by their type/],
    [{ schema: { in: { say: {} }, params: {} }, on }, /has 'params' in its schema.*third argument/],
    [
      { schema: { in: { say: { type: 'string' } } }, on },
      /has 'type' in the message 'say'.*belongs in data/
    ],
    [
      { schema: { in: { say: { roles: ['ROLE_ADMIN'] } } }, on },
      /^The contract of '\/a' has 'roles' in the message 'say'.* did you mean isGranted\?$/
    ],
    [{ schema: { in: { say: { role: 'ROLE_ADMIN' } } }, on }, /did you mean isGranted\?/],
    [{ schema: { in: { say: { reponse: {} } } }, on }, /'reponse' .* did you mean reply\?/],
    [{ schema: { in: { say: { Data: {} } } }, on }, /'Data' .* did you mean data\?/],
    [{ schema: { out: { said: { reply: {}, isGranted: 'a' } } }, on: {} }, /belongs in data/],
    [{ schema: { out: { said: { reply: {}, roles: ['a'] } } }, on: {} }, /belongs in data/],
    [{ schema: { in: { say: 'string' } }, on }, /no \{ data, .* \} for the message 'say'/],
    [
      { schema: { in: { reply: {} } }, on: { reply () {} } },
      /'reply', but a type must not be empty or reserved/
    ],
    [
      { schema: { in: { '': {} } }, on: { '' () {} } },
      /'', but a type must not be empty or reserved/
    ],
    [
      { schema: { out: { cancel: {} } }, on: {} },
      /'cancel', but a type must not be empty or reserved/
    ],
    [
      { schema: { in: { alive: {} } }, on: { alive () {} } },
      /'alive', but a type must not be empty or reserved/
    ],
    [
      { schema: { in: { renew: {} } }, on: { renew () {} } },
      /'renew', but a type must not be empty or reserved/
    ],
    [
      { schema: { out: { error: {} } }, on: {} },
      /'error', but a type must not be empty or reserved/
    ],
    [{ schema: { in: { say: { reply: {}, stream: {} } } }, on }, /a reply and a stream/],
    [{ schema: { in: {} }, on }, /a handler for 'say'/],
    [{ schema: { in: { say: {}, join: {} } }, on }, /no handler for the message 'join'/],
    [{ schema: { in: { toString: {} } }, on: {} }, /no handler for the message 'toString'/],
    [{ schema: { in: { say: {} } }, on, onMessage () {} }, /onMessage, which would never run/]
  ]
  for (const [controller, message] of wrong) {
    t.throws(
      () => app.socketRoute('/a', controller as never),
      { code: 'FSR_ERR_CONTRACT_INVALID', message }
    )
  }
  t.throws(
    () => app.socketRoute('/a', { schema: { in: { say: { isGranted: [] } } }, on } as never),
    { code: 'FSR_ERR_GRANT_INVALID' }
  )
  t.throws(
    () => app.socketRoute('/a', { schema: { in: { say: { isGranted: undefined } } }, on } as never),
    { code: 'FSR_ERR_GRANT_INVALID' },
    'also a role constant that does not exist'
  )
  t.throws(
    () => app.socketRoute('/a', { schema: {}, on: {} }, { invalidMessages: 'ignore' as never }),
    { code: 'FSR_ERR_OPTION_INVALID' }
  )
})

t.test('where there is nothing to write, nothing is sent that is no JSON', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/any', {
    schema: { in: { relay: { data: {} }, echo: { data: {}, reply: {} } }, out: { relayed: {} } },
    on: {
      relay: (connection, data) => { connection.send('relayed', data) },
      echo: (_connection, data) => data
    },
    onError () {}
  })
  const client = await connect(`${await listen(app)}/any`)
  t.match(await ask(client, { type: 'relay', id: 1 }), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_HANDLER_FAILED'
  })
  t.match(await ask(client, { type: 'echo', id: 1 }), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_HANDLER_FAILED'
  })
  t.same(await ask(client, { type: 'relay', data: 'undefined' }), {
    type: 'relayed',
    data: 'undefined'
  })
  t.same(await ask(client, { type: 'relay', data: null }), { type: 'relayed', data: null })
})

t.test('values that a serializer rejects reach no log', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: {
      logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } }
    }
  })
  const formats = {
    integer: { type: 'integer' },
    number: { type: 'number' },
    at: { type: 'string', format: 'date-time' }
  }
  app.socketRoute('/echo', {
    schema: {
      in: Object.fromEntries(Object.entries(formats).map(([type, reply]) => [
        type,
        { data: {}, reply }
      ]))
    },
    on: Object.fromEntries(Object.keys(formats).map((type) => [
      type,
      (_connection: unknown, data: unknown) => data
    ]))
  })
  const client = await connect(`${await listen(app)}/echo`)
  for (const [type, data] of [
    ['integer', 'a text\n"of my own"'],
    ['number', 'a text of my own'],
    ['at', ['a text of my own']]
  ]) {
    t.match(await ask(client, { type, data, id: 1 }), {
      type: 'error',
      id: 1,
      code: 'FSR_ERR_HANDLER_FAILED'
    })
  }
  t.equal(lines.filter((line) => line.includes('A value cannot be converted to ')).length, 3)
  t.equal(
    lines.filter((line) => /The reply to '(?:integer|number|at)' cannot be serialized/.test(
      line
    )).length,
    3
  )
  t.notOk(lines.some((line) => line.includes('of my own')))
})

t.test('data nested too deep for a recursive schema is rejected', async (t) => {
  const app = await createApp(t)
  const errors: Error[] = []
  app.socketRoute('/tree', {
    schema: { in: { tree: { data: { $id: 'tree', type: 'array', items: { $ref: '#' } } } } },
    on: { tree () {} },
    onError (_connection, error) { errors.push(error) }
  })
  const client = await connect(`${await listen(app)}/tree`)
  client.send(`{"type":"tree","id":1,"data":${'['.repeat(30_000)}${']'.repeat(30_000)}}`)
  t.match(await client.json(), { type: 'error', id: 1, code: 'FSR_ERR_DATA_INVALID' })
  t.match(errors, [{ code: 'FSR_ERR_DATA_INVALID', validation: RangeError }])
})
