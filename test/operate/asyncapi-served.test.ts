// The document as it is served: in two forms, under a prefix, behind hooks, and beside the OpenAPI
// document of REST.
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import { parse } from 'yaml'
import socketRoutes from '../../src/index.js'
import asyncapi, { type AsyncapiOptions } from '../../src/operate/asyncapi/index.js'
import { toYaml } from '../../src/operate/asyncapi/yaml.js'
import { createApp, listen } from '../support/server.js'

const info = {
  title: 'Chat',
  version: '1.0.0',
  description: 'A line that is as long as lines of descriptions are, and longer than YAML would ' +
    'leave in one piece by itself'
}
const controller = {
  schema: { in: { yes: { data: Type.String({ enum: ['no', '1', 'null'] }) } } },
  on: { yes () {} }
}

async function createDescribed (
  t: Test,
  options: Partial<AsyncapiOptions> = {}
): Promise<FastifyInstance> {
  const app = await createApp(t)
  await app.register(asyncapi, { info, ...options })
  app.socketRoute('/chat', controller)
  return app
}

t.test('JSON, YAML and what the app gets are the same document', async (t) => {
  const app = await createDescribed(t)
  await app.ready()
  const document = app.asyncapi()
  t.equal(document.channels['chat']!.address, '/chat')
  const json = await app.inject('/asyncapi/asyncapi.json')
  t.equal(json.statusCode, 200)
  t.equal(json.headers['content-type'], 'application/json; charset=utf-8')
  t.strictSame(json.json(), document)
  const yaml = await app.inject('/asyncapi/asyncapi.yaml')
  t.equal(yaml.statusCode, 200)
  t.equal(yaml.headers['content-type'], 'application/yaml')
  t.strictSame(parse(yaml.body), document)
  t.notMatch(yaml.body, / [*&]\w+$/m, 'without aliases')
  t.ok(yaml.body.includes(info.description), 'and with texts in one piece')
  await listen(app)
  t.strictSame(
    (await app.inject('/asyncapi/asyncapi.json')).json(),
    app.asyncapi(),
    'also once the app has a server'
  )
  t.ok(app.asyncapi().servers)
})

t.test('without the package yaml there is no YAML, and the error names the cure', async (t) => {
  const app = await createDescribed(t)
  await app.ready()
  const cause = new Error('Cannot find package')
  await t.rejects(toYaml(app.asyncapi(), async () => { throw cause }), {
    code: 'FSR_ERR_YAML_MISSING',
    statusCode: 501,
    message: /npm install yaml/,
    cause
  })
})

t.test('no shared cache keeps it, and it need not be served', async (t) => {
  const app = await createDescribed(t)
  for (const file of ['json', 'yaml']) {
    t.equal((await app.inject(`/asyncapi/asyncapi.${file}`)).headers['cache-control'], 'no-store')
  }
  const hidden = await createDescribed(t, { expose: false })
  for (const file of ['json', 'yaml']) {
    t.equal((await hidden.inject(`/asyncapi/asyncapi.${file}`)).statusCode, 404)
  }
  t.ok(hidden.asyncapi().channels['chat'])
})

t.test('routes may come before it and after it', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/before', controller)
  await app.register(asyncapi, { info })
  await app.register(
    async (scope) => { scope.socketRoute('/after', controller) },
    { prefix: '/v1' }
  )
  await app.ready()
  t.strictSame(Object.keys(app.asyncapi().channels), ['before', 'v1_after'])
})

t.test('the prefix is that of the option, within that of the scope', async (t) => {
  const app = await createDescribed(t, { prefix: '/docs' })
  t.equal((await app.inject('/docs/asyncapi.json')).statusCode, 200)
  t.equal((await app.inject('/asyncapi/asyncapi.json')).statusCode, 404)
  const scoped = await createApp(t)
  scoped.socketRoute('/chat', controller)
  await scoped.register(async (scope) => {
    await scope.register(asyncapi, { info, prefix: '' })
  }, { prefix: '/v1' })
  t.strictSame(
    Object.keys((await scoped.inject('/v1/asyncapi.json')).json().channels),
    ['chat'],
    'it is of the whole app'
  )
})

t.test('hooks decide who may read it', async (t) => {
  const order: string[] = []
  const app = await createDescribed(t, {
    onRequest: async (request, reply) => {
      if (request.headers.authorization !== 'me') {
        return await reply.code(401).send({ message: 'who?' })
      }
    },
    preValidation: async () => { order.push('preValidation') },
    preHandler: [async () => { order.push('preHandler') }]
  })
  for (const url of ['/asyncapi/asyncapi.json', '/asyncapi/asyncapi.yaml']) {
    t.equal((await app.inject(url)).statusCode, 401)
    t.equal((await app.inject({ method: 'HEAD', url })).statusCode, 401)
    t.strictSame(order, [])
    t.equal((await app.inject({ url, headers: { authorization: 'me' } })).statusCode, 200)
    t.strictSame(order.splice(0), ['preValidation', 'preHandler'])
  }
  t.ok(app.asyncapi(), 'which the app itself may')
})

for (const isFirst of [true, false]) {
  t.test(`REST has its own document, registered ${isFirst ? 'before' : 'after'}`, async (t) => {
    const app = await createApp(t)
    if (isFirst) await app.register(swagger)
    await app.register(asyncapi, { info })
    if (!isFirst) await app.register(swagger)
    app.addSchema({ $id: 'text', type: 'string' })
    app.get('/chat', { schema: { response: { 200: { $ref: 'text#' } } } }, async () => 'rest')
    app.socketRoute('/chat', {
      schema: { in: { say: { data: { $ref: 'text#' } } } },
      on: { say () {} }
    })
    await app.ready()
    t.strictSame(Object.keys(app.swagger().paths ?? {}), ['/chat'])
    t.strictSame(Object.keys(app.asyncapi().channels), ['chat'])
    t.match(app.asyncapi().components.schemas, { text: { type: 'string' } })
  })
}

t.test('before the app is ready there is no document', async (t) => {
  const app = await createDescribed(t)
  t.throws(() => app.asyncapi(), { code: 'FSR_ERR_ASYNCAPI_NOT_READY' })
})

t.test('it needs the plugin whose routes it describes', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(
    async () => { await app.register(asyncapi, { info }) },
    { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' }
  )
})

t.test('an app on a Unix socket, or on every address, lists its servers', async (t) => {
  const { serversAt } = await import('../../src/operate/asyncapi/servers.js')
  t.strictSame(serversAt(['/tmp/app.sock'], false), {})
  const at = (address: string) => ({
    address,
    port: 80,
    family: address.includes(':') ? 'IPv6' : 'IPv4'
  })
  t.strictSame(serversAt([at('::'), at('0.0.0.0'), at('::1'), at('10.0.0.1')], false), {
    server: {
      host: 'localhost:80',
      protocol: 'ws'
    },
    server_2: { host: '[::1]:80', protocol: 'ws' },
    server_3: {
      host: '10.0.0.1:80',
      protocol: 'ws'
    }
  })
})

t.test('unknown options are rejected at once', async (t) => {
  const wrong: Array<readonly [object, RegExp]> = [
    [{ info: undefined }, /info\.title/],
    [{ info: { title: 'a' } }, /info\.version/],
    [{ info, path: '/docs' }, /'path' is unknown/],
    [{ info, expose: 'no' }, /expose/],
    [{ info, prefix: 'docs' }, /prefix/],
    [{ info, prefix: '/docs/' }, /prefix/],
    [{ info, prefix: '/' }, /prefix/],
    [{ info, servers: null }, /servers is not an object/],
    [{ info, servers: 'wss://example.com' }, /servers is not an object/],
    [{ info, servers: { a: 'https://example.com' } }, /servers\.a/],
    [{ info, servers: { a: 'example.com' } }, /servers\.a/],
    [{ info, servers: { a: { host: 'example.com' } } }, /servers\.a/],
    [{ info, servers: { a: { protocol: 'ws' } } }, /servers\.a/],
    [{ info, servers: { 'a b': 'wss://example.com' } }, /servers\.a b/],
    [{ info, transform: {} }, /transform is not a function/],
    [{ info, transformObject: 'a' }, /transformObject is not a function/],
    // A hook that does not exist would let everyone read.
    [{ info, onRequest: undefined }, /onRequest is neither a hook/],
    [{ info, preValidation: null }, /preValidation is neither a hook/],
    [{ info, preHandler: [false] }, /preHandler is neither a hook/],
    [new Map(), /is unknown here/]
  ]
  for (const [options, message] of wrong) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(socketRoutes)
    await t.rejects(
      async () => { await app.register(asyncapi, options as AsyncapiOptions) },
      { code: 'FSR_ERR_OPTION_INVALID', message },
      String(message)
    )
  }
})
