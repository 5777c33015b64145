// The schemas of the document: references lead to where things are in it, and those of other
// libraries are JSON Schema there.
import type { FastifyInstance } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import { z } from 'zod'
import asyncapi, {
  type AsyncapiDocument,
  type AsyncapiMessage,
  type AsyncapiOptions,
  type SchemaOrigin
} from '../../src/operate/asyncapi/index.js'
import { createDocument } from '../../src/operate/asyncapi/create-document.js'
import type { Route } from '../../src/route/route.js'
import { parse, parserTest } from '../support/asyncapi-parser.js'
import { failures, type Hostile } from '../support/hostile.js'
import { createApp } from '../support/server.js'

async function createDescribed (
  t: Test,
  options: Partial<AsyncapiOptions> = {}
): Promise<FastifyInstance> {
  const app = await createApp(t)
  await app.register(asyncapi, { info: { title: 'Schemas', version: '1.0.0' }, ...options })
  return app
}

/** Adds a route that takes one message, `a`. */
function add (scope: FastifyInstance, path: string, data: unknown): void {
  scope.socketRoute(path, { schema: { in: { a: { data } } }, on: { a () {} } })
}

/** Returns the data of that message in the document. */
function dataOf (document: AsyncapiDocument, channel: string): unknown {
  return (document.channels[channel]!.messages['in.a'] as AsyncapiMessage & {
    payload: { properties: { data: unknown } }
  }).payload.properties.data
}

/** The document, which the parser takes where it is installed. */
async function parsed (t: Test, app: FastifyInstance): Promise<AsyncapiDocument> {
  await app.ready()
  const document = app.asyncapi()
  if (parserTest.skip === undefined) {
    t.strictSame((await parse(document)).diagnostics.filter(({ severity }) => severity < 2), [])
  }
  return document
}

t.test('schemas added to the app are components, if they are referred to', async (t) => {
  const app = await createDescribed(t)
  app.addSchema({ $id: 'text', type: 'string', maxLength: 20 })
  app.addSchema({
    $id: 'person',
    type: 'object',
    properties: { name: { $ref: 'text#' }, friends: { type: 'array', items: { $ref: '#' } } }
  })
  app.addSchema({ $id: 'unused', type: 'string' })
  add(app, '/whole', { $ref: 'text' })
  add(app, '/inside', { type: 'array', items: { $ref: 'person#' } })
  add(app, '/deep', { $ref: 'person#/properties/name' })
  const document = await parsed(t, app)
  const { schemas } = document.components
  t.strictSame(Object.keys(schemas!).filter((key) => !key.startsWith('protocol.')), [
    'text',
    'person'
  ])
  t.strictSame(
    schemas!['text'],
    { type: 'string', maxLength: 20 },
    'without their $id, which would lead references away'
  )
  t.strictSame(schemas!['person'], {
    type: 'object',
    properties: {
      name: { $ref: '#/components/schemas/text' },
      friends: { type: 'array', items: { $ref: '#/components/schemas/person' } }
    }
  })
  t.strictSame(dataOf(document, 'whole'), { $ref: '#/components/schemas/text' })
  t.strictSame((document.channels['whole']!.messages['in.a'] as AsyncapiMessage)['x-data'], {
    $ref: '#/components/schemas/text'
  })
  t.strictSame(dataOf(document, 'inside'), {
    type: 'array',
    items: { $ref: '#/components/schemas/person' }
  })
  t.strictSame(dataOf(document, 'deep'), { $ref: '#/components/schemas/person/properties/name' })
})

t.test('scopes may have different schemas of one $id; equal ones are one component', async (t) => {
  const app = await createDescribed(t)
  // Alike in itself, but not in what it refers to.
  const pair = { $id: 'pair', type: 'array', items: { $ref: 'item#' } }
  for (const [prefix, type] of [
    ['/one', 'string'],
    ['/two', 'number'],
    ['/three', 'string']
  ] as const) {
    await app.register(async (scope) => {
      scope.addSchema({ $id: 'item', type })
      scope.addSchema(pair)
      await scope.register(async (inner) => { add(inner, '/', { $ref: 'pair#' }) })
      add(scope, '/item', { $ref: 'item#' })
    }, { prefix })
  }
  const document = await parsed(t, app)
  const { schemas } = document.components
  t.match(schemas, {
    item: { type: 'string' },
    item_2: { type: 'number' },
    pair: { items: { $ref: '#/components/schemas/item' } },
    pair_2: { items: { $ref: '#/components/schemas/item_2' } }
  })
  t.strictSame(
    ['one', 'two', 'three'].map((key) => dataOf(document, key)),
    ['pair', 'pair_2', 'pair'].map((key) => ({ $ref: `#/components/schemas/${key}` }))
  )
  t.strictSame(
    ['one_item', 'two_item', 'three_item'].map((key) => dataOf(document, key)),
    ['item', 'item_2', 'item'].map((key) => ({ $ref: `#/components/schemas/${key}` }))
  )
  t.notOk('item_3' in schemas!)
})

t.test('addresses, anchors and ids within a schema are followed', async (t) => {
  const app = await createDescribed(t)
  app.addSchema({
    $id: 'http://example.com/schemas/order.json',
    type: 'object',
    properties: {
      item: { $ref: 'item.json' },
      price: { $ref: '#price' },
      tax: { $ref: 'item.json#tax' }
    },
    definitions: { price: { $id: '#price', type: 'number' } }
  })
  app.addSchema({
    $id: 'http://example.com/schemas/item.json#',
    type: 'object',
    properties: { tax: { $id: '#tax', type: 'number' } }
  })
  add(app, '/order', { $ref: 'http://example.com/schemas/order.json#' })
  add(app, '/own', {
    type: 'object',
    properties: {
      entry: {
        $id: 'entry',
        type: 'object',
        properties: {
          self: { $ref: '#' },
          'a/b ~#': { type: 'string' },
          other: { $ref: '#/properties/a~1b%20~0%23' }
        }
      },
      again: { $ref: 'entry#/properties/self' },
      root: { $ref: '#/properties/again' }
    }
  })
  const document = await parsed(t, app)
  t.match(document.components.schemas, {
    order: {
      properties: {
        item: { $ref: '#/components/schemas/item' },
        price: { $ref: '#/components/schemas/price' },
        tax: { $ref: '#/components/schemas/item/properties/tax' }
      }
    },
    price: { type: 'number' },
    item: { type: 'object' }
  })
  t.notMatch(JSON.stringify(document), /\$id|definitions/)
  const here = '#/channels/own/messages/in.a/payload/properties/data'
  t.match(dataOf(document, 'own'), {
    properties: {
      entry: {
        properties: {
          self: { $ref: `${here}/properties/entry` },
          other: { $ref: `${here}/properties/entry/properties/a~1b%20~0%23` }
        }
      },
      again: { $ref: `${here}/properties/entry/properties/self` },
      root: { $ref: `${here}/properties/again` }
    }
  })
})

t.test('definitions of a schema are components, one where they are alike', async (t) => {
  const app = await createDescribed(t)
  const withText = (type: string, more: object) => ({
    type: 'object',
    ...more,
    properties: {
      text: { $ref: '#/$defs/text' },
      any: { $ref: '#/$defs/any' },
      none: { $ref: '#/$defs/none' }
    },
    $defs: { text: { type }, any: true, none: false }
  })
  add(app, '/one', withText('string', {}))
  add(app, '/two', withText('string', { title: 'two' }))
  add(app, '/three', withText('number', {}))
  add(
    app,
    '/cyclic',
    Type.Cyclic(
      { Node: Type.Object({ next: Type.Union([Type.Ref('Node'), Type.Null()]) }) },
      'Node'
    )
  )
  const document = await parsed(t, app)
  const textOf = (key: string) =>
    (dataOf(document, key) as { properties: { text: unknown } }).properties.text
  t.strictSame(
    ['one', 'two', 'three'].map(textOf),
    ['text', 'text', 'text_2'].map((key) => ({ $ref: `#/components/schemas/${key}` }))
  )
  t.match(document.components.schemas, { any: {}, none: { not: {} } })
  t.strictSame(dataOf(document, 'cyclic'), { $ref: '#/components/schemas/Node' })
  t.match(document.components.schemas!['Node'], {
    properties: { next: { anyOf: [{ $ref: '#/components/schemas/Node' }, { type: 'null' }] } }
  })
})

t.test('a value that only looks like a reference is unchanged', async (t) => {
  const app = await createDescribed(t)
  const data = {
    type: 'object',
    properties: {
      $ref: { type: 'string' },
      $id: { type: 'string' },
      value: { enum: [{ $ref: 'a' }], default: { $ref: 'a' } },
      choice: { const: { $id: 'a' } }
    },
    additionalProperties: false
  }
  add(app, '/data', data)
  add(app, '/all', true)
  // Not parsed, as the parser takes it for references.
  await app.ready()
  const document = app.asyncapi()
  t.strictSame(dataOf(document, 'data'), data)
  t.equal(dataOf(document, 'all'), true)
})

t.test('parameters are told where their schema is a reference', async (t) => {
  const app = await createDescribed(t)
  app.addSchema({ $id: 'room', type: 'string', description: 'A room' })
  app.addSchema({ $id: 'params', type: 'object', properties: { room: { $ref: 'room#' } } })
  app.socketRoute('/:room/:constructor', { onOpen: () => {} }, {
    schema: {
      params: { $ref: 'params#' },
      query: { type: 'object', properties: { q: { $ref: 'room#' } } }
    } as object
  })
  const document = await parsed(t, app)
  t.match(document.channels['room_constructor'], {
    parameters: { room: { description: 'A room' }, constructor: {} },
    'x-params': { $ref: '#/components/schemas/params' },
    bindings: { ws: { query: { properties: { q: { $ref: '#/components/schemas/room' } } } } }
  })
})

// Both are asked about all schemas of a route.
const Text = z.object({ text: z.string().default('').meta({ id: 'Line' }) })
const zodContract = {
  schema: {
    in: { say: { data: Text, reply: Text }, ticks: { stream: z.number() } },
    out: { message: Text, ask: { data: Text, reply: Text } }
  },
  on: { say: () => ({ text: '' }), async * ticks () { yield 1 } }
}

for (const [title, transform] of [
  ['schemas that can tell themselves as JSON Schema need no transform', undefined],
  [
    'a transform makes JSON Schema of what the app has',
    (schema: unknown, { io }: SchemaOrigin) => z.toJSONSchema(schema as z.ZodType, {
      io,
      target: 'draft-7',
      override: ({ jsonSchema }) => { jsonSchema.description ??= 'As it was transformed' }
    })
  ]
] as const) {
  t.test(title, async (t) => {
    const asked: SchemaOrigin[] = []
    const app = await createDescribed(
      t,
      transform &&
        { transform: (schema, origin) => { asked.push(origin); return transform(schema, origin) } }
    )
    app.setValidatorCompiler(validatorCompiler)
    app.setSerializerCompiler(serializerCompiler)
    app.socketRoute('/chat/:room', zodContract, {
      schema: {
        params: z.object({ room: z.string().describe('Where to') }),
        querystring: z.object({ since: z.coerce.number() }),
        headers: z.looseObject({})
      }
    })
    const document = await parsed(t, app)
    const requiredOf = (key: string) =>
      (document.channels['chat_room']!.messages[key] as AsyncapiMessage & {
        payload: { properties: { data: { required?: string[] } } }
      }).payload.properties.data.required
    t.strictSame(
      ['in.say', 'in.say.reply', 'out.message', 'out.ask', 'out.ask.reply'].map(requiredOf),
      [undefined, ['text'], ['text'], ['text'], undefined],
      'what is written may leave a default out, what is read has it'
    )
    t.match(document.components.schemas!['Line'], { type: 'string', default: '' })
    t.strictSame(document.channels['chat_room']!.parameters, { room: { description: 'Where to' } })
    t.notMatch(JSON.stringify(document), /\$schema/)
    if (transform === undefined) return
    t.match(
      document.components.schemas!['Line'],
      { description: 'As it was transformed' },
      'and nothing else is made of it'
    )
    t.strictSame(asked.map(({ route, part, type, io }) => [route, part, type, io].join(' ')), [
      'params  input', 'say data input', 'say reply output', 'ticks stream output',
      'message data output', 'ask data output', 'ask reply input', 'querystring  input',
      'headers  input'
    ].map((each) => `/chat/:room ${each.replace(/^(\w+) (data|reply|stream)/, '$2 $1')}`))
  })
}

t.test('an invalid schema, or a reference to nothing, is rejected at ready()', async (t) => {
  const cases: Array<readonly [unknown, RegExp, (() => unknown)?]> = [
    [
      { type: 'string' },
      /must return a JSON Schema for the data of 'a' of '\/chat': it is not a JSON Schema/,
      () => 'text'
    ],
    [
      { type: 'string' },
      /its \$ref '#\/definitions\/none' cannot be resolved/,
      () => ({ $ref: '#/definitions/none' })
    ],
    [
      { type: 'string' },
      /its \$ref '#\/constructor' cannot be resolved/,
      () => ({ $ref: '#/constructor' })
    ],
    [{ type: 'string' }, /its \$ref '#none' cannot be resolved/, () => ({ $ref: '#none' })],
    [{ type: 'string' }, /its \$ref 'none#' cannot be resolved/, () => ({ $ref: 'none#' })],
    [{ type: 'string' }, /Date cannot be represented/, () => z.toJSONSchema(z.date())]
  ]
  for (const [data, message, transform] of cases) {
    const app = await createDescribed(t, transform && { transform })
    add(app, '/chat', data)
    await t.rejects(
      async () => { await app.ready() },
      { code: 'FSR_ERR_OPTION_INVALID', message },
      String(message)
    )
  }
  for (const data of [{ '~standard': { version: 1, vendor: 'old', validate () {} } }, new Map()]) {
    const app = await createDescribed(t)
    app.setValidatorCompiler(() => () => true)
    add(app, '/chat', data)
    await t.rejects(
      async () => { await app.ready() },
      { code: 'FSR_ERR_OPTION_INVALID', message: /it is not a JSON Schema/ }
    )
  }
  const app = await createDescribed(t, { transform: () => { throw new Error('never') } })
  app.socketRoute('/:room', { onOpen: () => {} }, { schema: { params: { type: 'object' } } })
  await t.rejects(
    async () => { await app.ready() },
    { message: /must return a JSON Schema for params of '\/:room': never/ }
  )
})

t.test('a date of Zod is told how to convert it, and then takes any value', async (t) => {
  const app = await createDescribed(t)
  app.setValidatorCompiler(() => () => true)
  add(app, '/chat', z.object({ at: z.date() }))
  await t.rejects(
    async () => { await app.ready() },
    {
      code: 'FSR_ERR_OPTION_INVALID',
      message: new RegExp("^The schema of the data of 'a' of '/chat' has no JSON Schema for the " +
        'document: Date cannot be represented.* Set the option transform of asyncapi, .*' +
        "unrepresentable: 'any'")
    }
  )
  const cured = await createDescribed(t, {
    transform: (schema, { io }) => schema instanceof z.ZodType
      ? z.toJSONSchema(schema, { io, target: 'draft-7', unrepresentable: 'any' })
      : schema
  })
  cured.setValidatorCompiler(() => () => true)
  add(cured, '/chat', z.object({ at: z.date() }))
  await t.resolves(async () => { await cured.ready() })
})

t.test('a transform may fail in every way', async (t) => {
  const faults: unknown[] = []
  const note = (fault: unknown): void => { faults.push(fault) }
  let form: Hostile = () => ({})
  const app = await createApp(t)
  app.socketRoute('/', { schema: { in: { say: { data: Type.String() } } }, on: { say () {} } })
  await app.ready()
  const routes = (): Iterable<Route> => app.socketRoutes.values() as Iterable<Route>
  const info = { title: 'Hostile', version: '1' }
  process.on('uncaughtExceptionMonitor', note)
  for (const [what, fail] of failures) {
    form = fail
    t.throws(
      () => createDocument(routes(), { info, transform: () => form() }, {}),
      { code: 'FSR_ERR_OPTION_INVALID' },
      what
    )
    let isMade = false
    try {
      createDocument(routes(), { info, transformObject: () => form() as never }, {})
      isMade = true
    } catch {}
    t.notOk(isMade, what)
    await new Promise(setImmediate)
    t.strictSame(faults.splice(0).map(String), [], what)
  }
  process.off('uncaughtExceptionMonitor', note)
  t.throws(
    () => createDocument(routes(), { info, transformObject: () => 5 as never }, {}),
    { code: 'FSR_ERR_OPTION_INVALID' }
  )
})
