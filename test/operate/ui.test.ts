// The console page as it is served: its paths, its headers, its grants.
import Fastify from 'fastify'
import t from 'tap'
import ui from '../../src/operate/ui/ui.js'
import { createConsoleApp } from '../support/console-app.js'
import { failures, type Hostile } from '../support/hostile.js'
import { createApp } from '../support/server.js'

const document = () => ({ asyncapi: '3.0.0', info: { title: 'Chat service' } })

t.test('the page and all that it is made of come from the package', async (t) => {
  const app = await createConsoleApp(t)
  const page = await app.inject('/sockets/')
  t.equal(page.statusCode, 200)
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  const parts = [...page.body.matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, path]) => path!)
  t.strictSame(
    [...new Set(parts)].sort(),
    ['console.css', 'console.js', 'icon.svg'],
    'addresses are relative'
  )
  for (const [name, type] of [
    ['console.js', 'text/javascript'],
    ['console.css', 'text/css'],
    ['icon.svg', 'image/svg+xml'],
    ['licences.txt', 'text/plain']
  ] as const) {
    const { statusCode, headers, body } = await app.inject(`/sockets/${name}`)
    t.equal(statusCode, 200, name)
    t.ok(String(headers['content-type']).startsWith(type), name)
    t.ok(body.length > 100)
    t.notMatch(body, /https?:\/\/(?!www\.w3\.org)[\w.]*(?:cdn|unpkg|jsdelivr|googleapis)/)
  }
  const licences = (await app.inject('/sockets/licences.txt')).body.split(
    /^(?=@?[\w/-]+ \d+\.\d+\.\d+ \()/m
  )
  t.ok(licences.length > 5)
  for (const licence of licences) t.match(licence, /Copyright[^]*Permission/i, licence.slice(0, 40))
  t.notMatch(page.body, /<script>|<style|style=|\son\w+=/, 'nothing is inline')
})

t.test('every answer has a strict Content-Security-Policy, also a refusal', async (t) => {
  const app = await createConsoleApp(t, {
    onRequest: async (request, reply) => {
      if (request.headers.authorization === undefined) return await reply.code(401).send()
    }
  })
  for (const path of ['/sockets', '/sockets/', '/sockets/console.js', '/sockets/console.json']) {
    for (const headers of [{}, { authorization: 'any' }]) {
      const { headers: answered } = await app.inject({ url: path, headers })
      t.equal(answered['content-security-policy'], "default-src 'none'; script-src 'self'; " +
        "style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; " +
        "trusted-types 'none'", path)
      t.equal(answered['x-content-type-options'], 'nosniff')
      t.equal(answered['referrer-policy'], 'no-referrer')
      t.equal(answered['cross-origin-resource-policy'], 'same-origin')
      t.equal(answered['cross-origin-opener-policy'], 'same-origin')
    }
  }
  t.equal(
    (await app.inject('/echo')).headers['content-security-policy'],
    undefined,
    'routes beside the page have none of this'
  )
})

t.test('the policy names the servers and the login elsewhere, and nothing more', async (t) => {
  const app = await createConsoleApp(t, {
    servers: ['wss://sockets.example.test:8443', 'ws://[::1]:80'],
    login: { url: 'https://id.example.test/token?x=1' }
  })
  t.match((await app.inject('/sockets/')).headers['content-security-policy'],
    "connect-src 'self' wss://sockets.example.test:8443 https://sockets.example.test:8443 " +
    'ws://[::1]:80 http://[::1]:80 https://id.example.test;')
})

t.test('it is served under any prefix, and finds its parts there', async (t) => {
  for (const prefix of ['/a/b', '/a/b/', '/']) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(ui, { prefix, document })
    const base = prefix.replace(/\/$/, '')
    t.equal((await app.inject(`${base}/`)).statusCode, 200, prefix)
    t.equal((await app.inject(`${base}/console.json`)).json().prefix, base)
  }
})

t.test('without a trailing slash it redirects, also behind a proxy', async (t) => {
  const app = await createConsoleApp(t)
  const { statusCode, headers } = await app.inject('/sockets?any')
  t.equal(statusCode, 308)
  t.equal(headers.location, './sockets/')
  t.equal(
    new URL(headers.location!, 'https://example.test/api/sockets').href,
    'https://example.test/api/sockets/'
  )

  const ignoring = await createConsoleApp(t, {}, { routerOptions: { ignoreTrailingSlash: true } })
  t.equal((await ignoring.inject('/sockets')).statusCode, 308)
  t.equal((await ignoring.inject('/sockets/')).statusCode, 200)
})

t.test('its guard stands before everything', async (t) => {
  const seen: string[] = []
  const app = await createConsoleApp(t, {
    onRequest: [
      async (request) => { seen.push(request.url) },
      async (_request, reply) => await reply.code(403).send({ message: 'No' })
    ]
  })
  const paths = [
    '/sockets',
    '/sockets/',
    '/sockets/console.js',
    '/sockets/console.css',
    '/sockets/icon.svg',
    '/sockets/licences.txt',
    '/sockets/console.json'
  ]
  for (const path of paths) t.equal((await app.inject(path)).statusCode, 403, path)
  t.strictSame(seen, paths)
  t.equal((await app.inject('/echo')).statusCode, 426, 'and not before anything else')
  const single = await createConsoleApp(t, {
    onRequest: async (_request, reply) => await reply.code(403).send()
  })
  t.equal((await single.inject('/sockets/')).statusCode, 403)
})

t.test('an unknown path is a 404', async (t) => {
  const app = await createConsoleApp(t)
  for (const path of [
    '/sockets/none',
    '/sockets/index.html',
    '/sockets/..%2fui.js',
    '/sockets/%2e%2e/package.json',
    '/sockets/constructor'
  ]) {
    t.equal((await app.inject(path)).statusCode, 404, path)
  }
  t.equal((await app.inject({ method: 'POST', url: '/sockets/console.json' })).statusCode, 404)
})

t.test('a browser asks each time, and is sent only what has changed', async (t) => {
  const app = await createConsoleApp(t)
  const { headers } = await app.inject('/sockets/console.js')
  t.equal(headers['cache-control'], 'no-cache')
  t.match(headers.etag, /^W\/"[\w-]{22}"$/)
  const again = await app.inject({
    url: '/sockets/console.js',
    headers: { 'if-none-match': headers.etag }
  })
  t.equal(again.statusCode, 304)
  t.equal(again.body, '')
  t.equal(
    (await app.inject({
      url: '/sockets/console.js',
      headers: { 'if-none-match': 'W/"other"' }
    })).statusCode,
    200
  )
  t.equal((await app.inject('/sockets/console.json')).headers['cache-control'], 'no-store')
  t.equal((await app.inject({ method: 'HEAD', url: '/sockets/console.js' })).statusCode, 200)
})

t.test('it is compressed for those who can read that', async (t) => {
  const app = await createConsoleApp(t)
  const get = async (encoding: string) => await app.inject({
    url: '/sockets/console.js',
    headers: { 'accept-encoding': encoding }
  })
  const zipped = await get('br, gzip')
  t.equal(zipped.headers['content-encoding'], 'gzip')
  t.equal(zipped.headers.vary, 'accept-encoding')
  t.ok(zipped.rawPayload.length < 160_000, `${zipped.rawPayload.length} bytes`)
  for (const encoding of ['', 'identity', 'gzip;q=0, br']) {
    t.equal((await get(encoding)).headers['content-encoding'], undefined, encoding)
  }
  t.equal((await get('gzip;q=0.5')).headers['content-encoding'], 'gzip')
})

t.test('the page is told the document, and how to log in', async (t) => {
  const app = await createConsoleApp(t, { title: 'Mine', servers: ['wss://a.example.test'] })
  t.strictSame((await app.inject('/sockets/console.json')).json(), JSON.parse(JSON.stringify({
    title: 'Mine',
    prefix: '/sockets',
    servers: ['wss://a.example.test'],
    login: {
      url: '/login',
      method: 'POST',
      body: { name: 'alice', password: '' },
      tokenPath: '/answer/token'
    },
    document: app.asyncapi()
  })))

  const plain = Fastify()
  t.teardown(() => plain.close())
  await plain.register(ui, { document: async () => ({ asyncapi: '3.0.0' }), prefix: '/x' })
  t.strictSame((await plain.inject('/x/console.json')).json(), {
    title: '',
    prefix: '/x',
    servers: [],
    document: { asyncapi: '3.0.0' }
  })
})

t.test('the document is that of app.asyncapi(), if nothing else is said', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(ui)
  app.decorate('asyncapi', (() => ({ asyncapi: '3.0.0' })) as never)
  t.strictSame((await app.inject('/console.json')).json().document, { asyncapi: '3.0.0' })

  const without = Fastify()
  t.teardown(() => without.close())
  await without.register(ui)
  await t.rejects(Promise.resolve(without.ready()), {
    code: 'FSR_ERR_OPTION_INVALID',
    message: /ui\.document/
  })
})

t.test('a document that fails is an error of the app', async (t) => {
  const app = await createConsoleApp(t, { document: () => { throw new Error('broken') } })
  t.equal((await app.inject('/sockets/console.json')).statusCode, 500)
})

t.test('a wrong option is an error at registration', async (t) => {
  const wrong: Array<[unknown, RegExp]> = [
    [{ documents: 1 }, /'documents'/],
    [{ document: {} }, /ui\.document/],
    [{ title: 1 }, /ui\.title/],
    [{ onRequest: 'no' }, /ui\.onRequest/],
    [{ servers: 'wss://x' }, /ui\.servers/],
    [{ servers: ["wss://x; script-src 'unsafe-inline'"] }, /ui\.servers/],
    [{ servers: ['wss://x/path'] }, /ui\.servers/],
    [{ servers: ['https://x'] }, /ui\.servers/],
    [{ login: null }, /ui\.login/],
    [{ login: { path: '/' } }, /'path'/],
    [{ login: {} }, /ui\.login\.url/],
    [{ login: { url: '//evil.example.test' } }, /ui\.login\.url/],
    [{ login: { url: 'javascript:alert(1)' } }, /ui\.login\.url/],
    [{ login: { url: '/', method: 'DELETE' } }, /ui\.login\.method/],
    [{ login: { url: '/', body: 'x' } }, /ui\.login\.body/],
    [{ login: { url: '/', method: 'GET', body: {} } }, /ui\.login\.body/],
    [{ login: { url: '/', tokenPath: 'token' } }, /ui\.login\.tokenPath/],
    [{ login: new Map([['url', '/']]) }, /ui\.login/],
    // A hook that does not exist would let everyone read.
    [{ onRequest: undefined }, /ui\.onRequest is neither a hook/]
  ]
  for (const [options, message] of wrong) {
    const app = await createApp(t)
    await t.rejects(
      Promise.resolve(app.register(ui, { document, ...options as object })),
      { code: 'FSR_ERR_OPTION_INVALID', message },
      JSON.stringify(options)
    )
  }
})

t.test('the routes of the page are not in a document of REST', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const hidden: unknown[] = []
  app.addHook('onRoute', ({ schema }) => {
    hidden.push((schema as undefined | { hide?: boolean })?.hide)
  })
  await app.register(ui, { prefix: '/x', document })
  await app.ready()
  t.ok(hidden.length > 5)
  t.ok(hidden.every((hide) => hide === true))
})

t.test('its document may fail in every way', async (t) => {
  const faults: unknown[] = []
  const note = (fault: unknown): void => { faults.push(fault) }
  let form: Hostile = () => ({})
  const app = await createApp(t)
  await app.register(ui, { prefix: '/console', document: () => form() as never })
  process.on('uncaughtExceptionMonitor', note)
  for (const [what, fail] of failures) {
    form = fail
    t.notOk('document' in (await app.inject('/console/console.json')).json(), what)
    await new Promise(setImmediate)
    t.strictSame(faults.splice(0).map(String), [], what)
  }
  process.off('uncaughtExceptionMonitor', note)
})
