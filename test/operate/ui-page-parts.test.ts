// The parts of the console page that need no browser.
import { Type } from 'typebox'
import t from 'tap'
import { fillAddress } from '../../ui/address.js'
import { fromHex, sizeText, toHexLines } from '../../ui/bytes.js'
import { explainClose } from '../../ui/explain-close.js'
import { readDocument, type RouteView } from '../../ui/document.js'
import { exampleOf } from '../../ui/example.js'
import { indented, tokensOf } from '../../ui/json-text.js'
import { Log, MOST_ENTRIES, type Entry } from '../../ui/log.js'
import { createCheck, resolve, type Schema } from '../../ui/schema.js'
import { closeCodes } from '../../src/index.js'
import asyncapi from '../../src/operate/asyncapi/index.js'
import { valueAt } from '../../src/operate/asyncapi/json-pointer.js'
import { createConsoleApp, HOSTILE } from '../support/console-app.js'
import { createApp } from '../support/server.js'

const app = await createConsoleApp(t)
await app.ready()
const document = app.asyncapi()

t.test('the document of an app is read into routes and messages', async (t) => {
  const { title, routes } = readDocument(document)
  t.equal(title, 'Chat service')
  const [chat, echo, admin] = routes as [RouteView, RouteView, RouteView]
  t.match(chat, {
    name: 'chat',
    address: '/chat/{room}',
    isRaw: false,
    granted: ['ROLE_USER or ROLE_ADMIN'],
    parameters: [{ name: 'room', example: 'lobby', isRequired: true }],
    query: [{ name: 'lang', choices: ['en', 'de'], isRequired: false }]
  })
  for (const limit of [
    ['max payload', '65,536 bytes'],
    ['rate', '5,000 messages per 1,000 ms'],
    ['connections per user', '5']
  ]) {
    t.match(chat.limits.join('\n'), limit.join(','))
  }
  for (const refusal of ['401,FSR_ERR_TOKEN_MISSING', '403,FSR_ERR_NOT_GRANTED']) {
    t.match(chat.refusals.join('\n'), refusal)
  }
  t.strictSame(chat.inbound.map(({ type, granted, reply, item }) => [
    type,
    granted,
    reply !== undefined,
    item !== undefined
  ]), [
    ['say', '', false, false], ['join', '', true, false], ['ticks', '', false, true], [
      'confirm',
      '',
      true,
      false
    ], ['fail', '', false, false],
    ['leave', '', false, false], ['hostile', '', false, false], [
      'ban',
      'ROLE_MODERATOR',
      false,
      false
    ]
  ])
  t.strictSame(chat.outbound.map(({ type, reply }) => [type, reply !== undefined]), [
    ['message', false],
    ['ask', true],
    [HOSTILE, false]
  ])
  const [unnamed] = readDocument({
    channels: {
      a: { address: '/a/{b}', title: '/a/:b', 'x-socket-route': { name: '/a/:b', path: '/a/:b' } }
    }
  }).routes
  t.equal(unnamed!.name, '/a/{b}', 'a route without a name is called as its address')
  t.ok(echo.isRaw)
  t.strictSame(admin.granted, ['ROLE_ADMIN', 'a check of the app'])
})

t.test('unreadable parts of a document are left out', async (t) => {
  for (const document of [
    undefined,
    null,
    1,
    'x',
    [],
    {},
    { channels: [] },
    {
      channels: {
        a: null,
        b: 1,
        c: { messages: { 'in.x': 1 }, address: 3, parameters: 'x', bindings: [] }
      }
    }
  ]) {
    t.doesNotThrow(() => readDocument(document), JSON.stringify(document))
  }
  const refer = (key: string) => ({ $ref: `#/channels/a~1b/messages/${key}` })
  const { routes: [route] } = readDocument({
    channels: {
      'a/b': {
        address: '/a',
        messages: {
          'in.b': {
            payload: { schemaFormat: 'x', schema: { properties: { data: { type: 'string' } } } }
          },
          'in.c': { $ref: '#/components/messages/c~1d' },
          'in.e': { 'x-data': '#/components/schemas/E' },
          'in.loop': refer('in.loop'),
          'in.unused': {},
          renew: {},
          error: {}
        }
      }
    },
    operations: {
      all: {
        action: 'receive',
        messages: [
          refer('in.b'),
          refer('in.c'),
          refer('in.e'),
          refer('in.loop'),
          refer('in.none'),
          { $ref: '#/channels/other/messages/in.b' },
          1,
          refer('renew')
        ],
        reply: 1
      },
      none: 1,
      out: { action: 'send', messages: [refer('error')] }
    },
    components: {
      messages: { 'c/d': { name: 'c', 'x-data': true } },
      schemas: { E: { type: 'integer' } }
    }
  })
  t.strictSame(route!.inbound.map(({ type, data }) => [type, data]), [
    ['in.b', { type: 'string' }],
    ['c', true],
    ['in.e', { $ref: '#/components/schemas/E' }],
    ['in.loop', undefined]
  ])
  t.strictSame(route!.outbound, [])
  t.ok(route!.canRenew)
})

t.test('messages are distinguished from replies, whatever their names', async (t) => {
  const app = await createApp(t)
  await app.register(asyncapi, { info: { title: 'Names', version: '1.0.0' } })
  const types = [
    'comment',
    'comment.reply',
    'news',
    'news.item',
    'x y',
    'x/y',
    '你好',
    '再见',
    'error.reply',
    '~',
    '__proto__'
  ]
  app.socketRoute('/names', {
    schema: {
      in: Object.fromEntries(types.map((type) => [
        type,
        type.startsWith('news') ? { stream: Type.Literal(type) } : { reply: Type.Literal(type) }
      ])),
      out: Object.fromEntries(types.map((type) => [type, { reply: Type.Literal(type) }]))
    },
    on: Object.fromEntries(types.map((type) => [type, () => {}]))
  } as never)
  await app.ready()
  const document: unknown = JSON.parse(JSON.stringify(app.asyncapi()))
  const { routes: [route] } = readDocument(document)
  const constOf = (schema: undefined | Schema): unknown => schema === undefined
    ? undefined
    : (resolve(document, schema) as { const: unknown }).const
  t.strictSame(
    route!.inbound.map(({ type, reply, item }) => [type, constOf(reply), constOf(item)]),
    types.map((type) => type.startsWith('news') ? [type, undefined, type] : [type, type, undefined])
  )
  t.strictSame(
    route!.outbound.map(({ type, reply }) => [type, constOf(reply)]),
    types.map((type) => [type, type])
  )
  t.notOk(route!.canRenew)
})

t.test('an example is what its schema takes', async (t) => {
  const document = {
    components: {
      schemas: {
        Node: {
          $id: 'urn:node',
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string' }, next: { $ref: '#/components/schemas/Node' } }
        }
      }
    }
  }
  const schemas: Schema[] = [
    {
      type: 'object',
      required: ['a', 'b'],
      properties: {
        a: { type: 'string', minLength: 12, maxLength: 20 },
        b: { type: 'integer', exclusiveMinimum: 3, multipleOf: 5 },
        c: { type: 'boolean' }
      }
    },
    { type: 'array', minItems: 2, items: { type: 'number', maximum: -3 } },
    { anyOf: [{ type: 'string', format: 'email' }, { type: 'null' }] },
    {
      allOf: [
        { type: 'object', required: ['x'], properties: { x: { const: 4 } } },
        { required: ['y'], properties: { y: { enum: ['u', 'v'] } } }
      ]
    },
    { type: ['null', 'string'], maxLength: 2 },
    { type: 'array', prefixItems: [{ type: 'string' }, { type: 'integer', minimum: 7 }] },
    { $ref: '#/components/schemas/Node' },
    { $ref: 'urn:node' },
    { type: 'string', default: 'preset' },
    { type: 'string', format: 'constructor' },
    { type: 'string', examples: ['first', 'second'] },
    true
  ]
  for (const schema of schemas) {
    t.strictSame(
      createCheck(document, schema)(exampleOf(document, schema)),
      [],
      JSON.stringify(exampleOf(document, schema))
    )
  }
})

t.test('a value is checked, and each problem has its place', async (t) => {
  const check = createCheck(document, { $ref: '#/components/schemas/Saying' })
  t.strictSame(check({ text: 'x', mentions: [{ name: 'bob', id: 1 }] }), [])
  t.strictSame(check({ text: '', mentions: [{ name: 'bob', id: 0 }] }).map(({ path }) => path), [
    '/text',
    '/mentions/0/id'
  ])
  t.match(check({}), [{ path: '', message: /text/ }])
  t.match(check({ text: 'x', more: 1 }), [{ path: '/more' }], 'also an additional member')
  t.match(check(7), [{ path: '' }])
  t.strictSame(
    createCheck({}, { $ref: '#/nowhere' })(1),
    [],
    'what cannot be found takes everything'
  )
  t.strictSame(
    createCheck({}, { type: 'string', pattern: '(' })('x'),
    [],
    'and what cannot be read'
  )
  t.match(
    createCheck({}, { type: 'array', prefixItems: [{ type: 'string' }] })([1]),
    [{ path: '/0' }],
    'newer keywords are known'
  )
})

t.test('JSON is laid out without being changed', async (t) => {
  const lay = (json: string) =>
    indented(tokensOf(json)).map((piece) => typeof piece === 'string' ? piece : piece.text).join('')
  for (const value of [
    { a: [1, { b: null }], c: {}, d: [], 'e:{"': 'x\\"}' },
    [],
    [[]],
    'x',
    3,
    true,
    null,
    { a: '' }
  ]) {
    t.equal(lay(JSON.stringify(value)), JSON.stringify(value, null, 2))
  }
  t.equal(
    lay('{"n":12345678901234567890,"n":1.0}'),
    '{\n  "n": 12345678901234567890,\n  "n": 1.0\n}'
  )
})

t.test('deeply nested values are not mostly spaces', async (t) => {
  const text = '['.repeat(1_000) + ']'.repeat(1_000)
  const shown = indented(tokensOf(text)).map((piece) => typeof piece === 'string'
    ? piece
    : piece.text).join('')
  t.ok(shown.length < 200_000, `${shown.length} characters for ${text.length}`)
})

t.test('bytes are read and shown in hexadecimal', async (t) => {
  t.strictSame([...fromHex('0x48 69\n00:ff')], [0x48, 0x69, 0, 255])
  t.throws(() => fromHex('4'), { message: 'The number of digits is odd: a byte has two' })
  t.throws(() => fromHex('4g'), { message: '“g” is not a hexadecimal digit' })
  t.equal(toHexLines(fromHex('48 69 00 ff')), `0000  48 69 00 ff${' '.repeat(36)}  Hi..`)
  t.match(toHexLines(new Uint8Array(5_000)), /… and 3,976 bytes more$/)
  t.strictSame([0, 999, 1_000, 12_345, 2_000_000].map(sizeText), [
    '0 B',
    '999 B',
    '1.0 kB',
    '12 kB',
    '2.0 MB'
  ])
})

t.test('an address is filled in', async (t) => {
  const [chat] = readDocument(document).routes
  t.equal(
    fillAddress(
      chat!,
      new Map([['room', 'a/b ü']]),
      new Map([['lang', ''], ['x', '&']]),
      '?more=1'
    ),
    '/chat/a%2Fb%20%C3%BC?x=%26&more=1'
  )
  t.equal(fillAddress(chat!, new Map(), new Map()), '/chat/{room}')
  t.equal(
    fillAddress(
      { ...chat!, address: '/files/{wildcard}' },
      new Map([['wildcard', 'a/b c']]),
      new Map()
    ),
    '/files/a/b%20c'
  )
  const optional = { name: 'room', isRequired: false, description: '', example: '', choices: [] }
  t.equal(fillAddress({ ...chat!, parameters: [optional] }, new Map(), new Map()), '/chat')
  t.equal(
    fillAddress(
      { ...chat!, address: '/{room}', parameters: [optional] },
      new Map(),
      new Map([['x', '1']])
    ),
    '/?x=1'
  )
})

t.test('a value is found by its JSON Pointer', async (t) => {
  t.equal(valueAt({ a: { 'b/c': [1, 'x'] } }, '/a/b~1c/1'), 'x')
  for (const pointer of ['/b', '/a/b/c', '/constructor']) {
    t.equal(valueAt({ a: 1 }, pointer), undefined)
  }
})

t.test('every close that the server can send is explained', async (t) => {
  const closes = Object.values(closeCodes)
  for (const { code, reason, reconnect } of closes) {
    const { meaning, advice } = explainClose(code, reason, closes)
    t.notMatch(meaning, /leaves open|of the app/, `${code} ${reason}`)
    const isOneOfSeveral = closes.filter((close) => close.code === code).length > 1 &&
      reason !== 'policy violation'
    if (isOneOfSeveral) {
      t.not(meaning, explainClose(code, '', []).meaning, `${code} ${reason} has words of its own`)
    }
    t.match(
      advice,
      reconnect === true ? 'at once' : reconnect === 'jitter' ? 'random delay' : 'does not'
    )
  }
  t.match(explainClose(1006, '', []), { meaning: /cut/, advice: /random delay/ })
  t.match(explainClose(4711, 'x', []), { meaning: /app/, advice: /does not/ })
  t.match(
    explainClose(4401, 'logged out', closes),
    { advice: /does not/ },
    'a reason of the app is not one of the plugin'
  )
  for (const [code, reason] of [[1014, ''], [4429, '']] as const) {
    t.match(explainClose(code, reason, []), { advice: /random delay/ })
  }
  t.type(
    explainClose(1000, 'constructor', [{
      code: 1000,
      reason: 'constructor',
      reconnect: false
    }]).meaning,
    'string'
  )
  t.match(explainClose(3001, '', []), { meaning: /RFC 6455/ })
})

t.test('the log has an end, in entries and in characters', async (t) => {
  const log = new Log()
  const entry = (text: string): Entry => ({ direction: 'sent', at: 0, title: 'x', text, size: 1 })
  for (let n = 0; n < MOST_ENTRIES + 5; n++) log.add(entry(String(n)))
  t.equal(log.entries.length, MOST_ENTRIES)
  t.equal(log.entries[0]!.text, '5')
  for (let n = 0; n < 20; n++) log.add(entry('x'.repeat(2_000_000)))
  t.equal(log.entries.length, 8)
  t.match(log.entries[7]!.note, 'Only the first 1,000,000 characters are kept.')
  log.clear()
  t.equal(log.entries.length, 0)

  // Streams count as well: 100 items of at most 10,000 characters each.
  for (let n = 0; n < 20; n++) {
    const stream = log.add({ ...entry(''), title: 'x'.repeat(1_000), items: [], count: 0 })
    t.equal(stream.title.length, 200)
    for (let item = 0; item < 150; item++) log.addItem(stream, 'x'.repeat(20_000), 20_000)
    t.equal(stream.items!.length, 100)
  }
  t.equal(log.entries.length, 8)
  const gone = log.entries[0]!
  log.clear()
  for (let n = 0; n < 100; n++) log.addItem(gone, '', 0)
  for (let n = 0; n < 20; n++) log.add(entry('x'.repeat(1_000_000)))
  t.equal(log.entries.length, 8, 'entries removed from the log do not count')
})
