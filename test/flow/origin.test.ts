import Fastify from 'fastify'
import t from 'tap'
import socketRoutes, { type Origins } from '../../src/index.js'
import { connect, refusal } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

const from = (origin: string, headers: Record<string, string> = {}) => ({ headers: { origin, ...headers } })

// P23
t.test('a page of another origin is refused with 403 before anything runs, by default', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, { fastify: { logger: { level: 'info', stream: { write: (line) => { lines.push(line) } } } } })
  let called = 0
  app.socketRoute('/', { onOpen: () => { called++ }, onClose: () => { called++ } })
  const url = await listen(app)
  const own = url.replace('ws', 'http')
  const { host } = new URL(url)
  for (const origin of [
    'https://evil.example', 'null', '', own.replace('http', 'https'), own.replace(/\d+$/, '9'), own.replace(/:\d+$/, ''), `${own}.evil.example`, `${own}/`,
    `http://evil@${host}`, `ftp://${host}`, `ws://${host}`, own.toUpperCase(), `${own}, https://evil.example`, host
  ]) {
    const { status, body } = await refusal(url, [], from(origin))
    t.equal(status, 403, origin)
    t.equal(body.code, 'FSR_ERR_ORIGIN_REFUSED')
  }
  t.equal(called, 0)
  t.ok(lines.some((line) => line.includes('trustProxy')), 'the log names the cure')
})

// P23
t.test('a page of the same origin, and a client that is no page, may connect', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' })
  const url = await listen(app)
  t.equal(await (await connect(url, [], from(url.replace('ws', 'http')))).next(), 'in')
  t.equal(await (await connect(url)).next(), 'in')
  t.equal(await (await connect(url, [], from('http://app.example', { host: 'app.example' }))).next(), 'in')
  t.equal(await (await connect(url, [], from('http://app.example', { host: 'app.example:80' }))).next(), 'in', 'the default port is no port')
  t.equal((await refusal(url, [], from('http://app.example', { host: 'app.example:8080' }))).status, 403)
  t.equal((await refusal(url, [], from('http://app.example', { host: 'not a host' }))).status, 403)
})

t.test('behind a proxy the origin is what the proxy says, if it is trusted', async (t) => {
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example' }
  for (const trustProxy of [true, false]) {
    const app = await createApp(t, { fastify: { trustProxy } })
    app.socketRoute('/', { onOpen: () => 'in' })
    const url = await listen(app)
    if (trustProxy) t.equal(await (await connect(url, [], from('https://app.example', headers))).next(), 'in')
    else t.equal((await refusal(url, [], from('https://app.example', headers))).status, 403)
  }
})

const cases: Array<{ origins: Origins, in: string[], out: string[] }> = [
  { origins: '*', in: ['https://evil.example', 'null'], out: [] },
  { origins: 'https://app.example', in: ['https://app.example'], out: ['http://app.example', 'https://app.example:444', 'https://app.example.evil.example', 'null'] },
  { origins: ['https://APP.example:443/', 'null', 'same-origin'], in: ['https://app.example', 'null', 'OWN'], out: ['https://other.example'] },
  { origins: /https:\/\/[a-z]+\.example/g, in: ['https://a.example', 'https://a.example', 'https://b.example'], out: ['https://a.example.evil', 'https://a.example\nx', 'xhttps://a.example', 'OWN'] },
  { origins: [/https:\/\/a|https:\/\/a\.b/], in: ['https://a.b', 'https://a'], out: ['https://a.b.c'] },
  { origins: (origin) => origin.endsWith('.example'), in: ['https://a.example'], out: ['https://a.test'] },
  { origins: async (origin, request) => origin === request.headers['x-expected'], in: [], out: ['https://a.example'] },
  { origins: () => 'yes' as never, in: [], out: ['https://a.example'] }
]
for (const { origins, ...expected } of cases) {
  t.test(`origins: ${typeof origins === 'function' ? origins.toString() : JSON.stringify(String(origins))}`, async (t) => {
    const app = await createApp(t, { plugin: { origins: '*' } })
    app.socketRoute('/', { onOpen: () => 'in' }, { origins })
    const url = await listen(app)
    const given = (origin: string) => from(origin === 'OWN' ? url.replace('ws', 'http') : origin)
    for (const origin of expected.in) t.equal(await (await connect(url, [], given(origin))).next(), 'in', origin)
    for (const origin of expected.out.filter((origin) => !origin.includes('\n'))) t.equal((await refusal(url, [], given(origin))).status, 403, origin)
    t.equal(await (await connect(url)).next(), 'in', 'a client without an origin is not affected')
  })
}

t.test('what is not an origin fails at registration', async (t) => {
  const app = await createApp(t)
  for (const origins of ['app.example', 'https://app.example/path', 'https://*.example', [], [5], 5, null, {}, 'same-site', 'data:x']) {
    t.throws(() => app.socketRoute('/', { onOpen: () => {} }, { origins: origins as Origins }), { code: 'FSR_ERR_OPTION_INVALID' }, JSON.stringify(origins))
  }
})

t.test('the check does not depend on the order of hooks', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const seen: unknown[] = []
  app.addHook('onRequest', async (request) => { seen.push(request.ws) })
  await app.register(socketRoutes)
  app.addHook('preValidation', async (request) => { delete request.headers.origin })
  app.socketRoute('/', { onOpen: () => 'in' })
  t.equal((await refusal(await listen(app), [], from('https://evil.example'))).status, 403)
  t.strictSame(seen, [null], 'which is what a hook sees that was added too early')
})
