import Fastify from 'fastify'
import t from 'tap'
import socketRoutes, { type Origins } from '../../src/index.js'
import { connect, refusal } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

const from = (origin: string, headers: Record<string, string> = {}) => ({
  headers: { origin, ...headers }
})

// P23
t.test('a page of another origin is rejected with 403 before any hook, by default', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'info', stream: { write: (line) => { lines.push(line) } } } }
  })
  let called = 0
  app.socketRoute('/', { onOpen: () => { called++ }, onClose: () => { called++ } })
  const url = await listen(app)
  const own = url.replace('ws', 'http')
  const { host } = new URL(url)
  for (const origin of [
    'https://evil.example', 'null', '', own.replace(
      'http',
      'https'
    ), own.replace(/\d+$/, '9'), own.replace(/:\d+$/, ''), `${own}.evil.example`, `${own}/`,
    `http://evil@${host}`, `ftp://${host}`, `ws://${host}`, own.toUpperCase(), `${own}, https://evil.example`, host
  ]) {
    const { status, body } = await refusal(url, [], from(origin))
    t.equal(status, 403, origin)
    t.equal(body.code, 'FSR_ERR_ORIGIN_REFUSED')
  }
  t.equal(called, 0)
  t.ok(lines.some((line) => line.includes('trustProxy')), 'the log names the cure')
})

t.test('a page of another name of the server gets 404 if the route has a host', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' }, { constraints: { host: 'app.example' } })
  const url = await listen(app)
  t.equal(
    (await refusal(url, [], from('http://evil.example', { host: 'evil.example' }))).status,
    404
  )
  t.equal(
    await (await connect(url, [], from('http://app.example', { host: 'app.example' }))).next(),
    'in'
  )
})

// P23
t.test('a page of the same origin, and a client that is no page, may connect', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' })
  const url = await listen(app)
  t.equal(await (await connect(url, [], from(url.replace('ws', 'http')))).next(), 'in')
  t.equal(await (await connect(url)).next(), 'in')
  t.equal(
    await (await connect(url, [], from('http://app.example', { host: 'app.example' }))).next(),
    'in'
  )
  t.equal(
    await (await connect(url, [], from('http://app.example', { host: 'app.example:80' }))).next(),
    'in',
    'the default port is no port'
  )
  t.equal(
    (await refusal(url, [], from('http://app.example', { host: 'app.example:8080' }))).status,
    403
  )
  t.equal((await refusal(url, [], from('http://app.example', { host: 'not a host' }))).status, 403)
})

t.test('behind a proxy the origin is what the proxy says, if it is trusted', async (t) => {
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example' }
  for (const trustProxy of [true, false]) {
    const app = await createApp(t, { fastify: { trustProxy } })
    app.socketRoute('/', { onOpen: () => 'in' })
    const url = await listen(app)
    if (trustProxy) {
      t.equal(
        await (await connect(url, [], from('https://app.example', headers))).next(),
        'in'
      )
    } else t.equal((await refusal(url, [], from('https://app.example', headers))).status, 403)
  }
})

t.test('a proxy may send the scheme of the page or of the socket', async (t) => {
  const app = await createApp(t, { fastify: { trustProxy: true } })
  app.socketRoute('/', { onOpen: () => 'in' })
  const url = await listen(app)
  const forwarded = (proto: string, host: string) => ({
    'x-forwarded-proto': proto,
    'x-forwarded-host': host
  })
  for (const [proto, host, origin] of [
    [
      'https',
      'app.example',
      'https://app.example'
    ], ['wss', 'app.example', 'https://app.example'], ['ws', 'app.example', 'http://app.example'],
    ['WSS', 'APP.example', 'https://app.example'], [
      'HTTPS',
      'app.example:443',
      'https://app.example'
    ], [
      'ws, wss',
      'other.example, app.example',
      'https://app.example'
    ],
    [
      'wss',
      'app.example:8443',
      'https://app.example:8443'
    ], ['ws', 'app.example:80', 'http://app.example'], [
      'wss',
      '[2001:db8::1]:443',
      'https://[2001:db8::1]'
    ],
    ['wss', '[2001:DB8:0::1]:8443', 'https://[2001:db8::1]:8443']
  ] as const) {
    t.equal(
      await (await connect(url, [], from(origin, forwarded(proto, host)))).next(),
      'in',
    `${proto} ${host}`
    )
  }
  for (const [proto, host, origin] of [
    [
      'wss',
      'app.example',
      'http://app.example'
    ], ['ws', 'app.example', 'https://app.example'], ['wss', 'app.example', 'wss://app.example'],
    ['wss', 'app.example:8443', 'https://app.example'], [
      'wss, http',
      'app.example',
      'https://app.example'
    ],
    ['foo', 'app.example', 'null'], ['file', '', 'null'], [
      'foo',
      'app.example',
      'foo://app.example'
    ]
  ] as const) {
    t.equal(
      (await refusal(url, [], from(origin, forwarded(proto, host)))).status,
      403,
    `${proto} ${host} ${origin}`
    )
  }
})

t.test('a connection that is injected is one over HTTP', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' })
  await app.ready()
  const from = (origin: string) => app.injectWS('/', { headers: { origin, host: 'app.example' } })
  for (const origin of ['null', 'https://app.example', 'undefined://app.example']) {
    await t.rejects(from(origin), { message: /403/ }, origin)
  }
  const socket = await from('http://app.example')
  socket.terminate()
})

const cases: Array<{ origins: Origins, in: string[], out: string[] }> = [
  { origins: '*', in: ['https://evil.example', 'null'], out: [] },
  {
    origins: 'https://app.example',
    in: ['https://app.example'],
    out: [
      'http://app.example',
      'https://app.example:444',
      'https://app.example.evil.example',
      'null'
    ]
  },
  {
    origins: ['https://APP.example:443/', 'null', 'same-origin'],
    in: ['https://app.example', 'null', 'OWN'],
    out: ['https://other.example']
  },
  {
    origins: /https:\/\/[a-z]+\.example/g,
    in: ['https://a.example', 'https://a.example', 'https://b.example'],
    out: ['https://a.example.evil', 'https://a.example\nx', 'xhttps://a.example', 'OWN']
  },
  {
    origins: [/https:\/\/a|https:\/\/a\.b/],
    in: ['https://a.b', 'https://a'],
    out: ['https://a.b.c']
  },
  {
    origins: (origin) => origin.endsWith('.example'),
    in: ['https://a.example'],
    out: ['https://a.test']
  },
  {
    origins: async (origin, request) => origin === request.headers['x-expected'],
    in: [],
    out: ['https://a.example']
  },
  { origins: () => 'yes' as never, in: [], out: ['https://a.example'] },
  { origins: /.*/, in: ['https://a.example', 'file://'], out: ['null'] },
  {
    origins: [
      'capacitor://localhost',
      'Ionic://localhost/',
      'tauri://localhost',
      'app://.',
      'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
      'moz-extension://1f2e3d4c-0000-4000-8000-000000000000',
      'file://'
    ],
    in: [
      'capacitor://localhost',
      'ionic://localhost',
      'tauri://localhost',
      'app://.',
      'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
      'moz-extension://1f2e3d4c-0000-4000-8000-000000000000',
      'file://'
    ],
    out: [
      'null',
      'capacitor://localhost:1',
      'capacitor://evil.example',
      'capacitor://',
      'https://localhost',
      'ionic://localhost/',
      'chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba',
      'file:///etc',
      'OWN'
    ]
  }
]
for (const { origins, ...expected } of cases) {
  t.test(`origins: ${typeof origins === 'function' ? origins.toString() : JSON.stringify(String(origins))}`, async (t) => {
    const app = await createApp(t, { plugin: { origins: '*' } })
    app.socketRoute('/', { onOpen: () => 'in' }, { origins })
    const url = await listen(app)
    const given = (origin: string) => from(origin === 'OWN' ? url.replace('ws', 'http') : origin)
    for (const origin of expected.in) {
      t.equal(await (await connect(url, [], given(origin))).next(), 'in', origin)
    }
    for (const origin of expected.out.filter((origin) => !origin.includes('\n'))) {
      t.equal((await refusal(url, [], given(origin))).status, 403, origin)
    }
    t.equal(await (await connect(url)).next(), 'in', 'a client without an origin is not affected')
  })
}

const thrown = (value: unknown): never => { throw value }
const failures: Record<string, [failing: () => unknown, status: number]> = {
  'throws undefined': [() => thrown(undefined), 403],
  'throws null': [() => thrown(null), 403],
  'throws false': [() => thrown(false), 403],
  "throws ''": [() => thrown(''), 403],
  'rejects with nothing': [async () => thrown(undefined), 403],
  'is a thenable that rejects with nothing': [
    () => ({ then: (_resolve: unknown, reject: () => void) => { reject() } }),
    403
  ],
  'throws an error': [() => { throw new Error('unreachable') }, 500],
  'returns nothing': [() => undefined, 403],
  'returns null': [() => null, 403],
  'returns 1': [() => 1, 403],
  'returns an object': [() => ({ allowed: true }), 403],
  "resolves to 'true'": [async () => 'true', 403],
  'resolves to a function': [async () => () => true, 403],
  'is a thenable that resolves to 1': [
    () => ({ then: (resolve: (value: unknown) => void) => { resolve(1) } }),
    403
  ]
}
for (const [how, [failing, status]] of Object.entries(failures)) {
  t.test(`a predicate that ${how} lets no page in`, async (t) => {
    const app = await createApp(t)
    app.socketRoute('/', { onOpen: () => 'in' }, { origins: failing as never })
    const url = await listen(app)
    t.equal((await refusal(url, [], from('https://evil.example'))).status, status)
    t.equal(
      await (await connect(url)).next(),
      'in',
      'a client without an origin is not asked about'
    )
  })
}

t.test('a predicate may answer by a thenable', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' }, {
    origins: (() => ({ then: (resolve: (value: unknown) => void) => { resolve(true) } })) as never
  })
  t.equal(await (await connect(await listen(app), [], from('https://a.example'))).next(), 'in')
})

t.test('a value that is no origin fails at registration', async (t) => {
  const app = await createApp(t)
  for (const origins of [
    'app.example',
    'https://app.example/path',
    'https://*.example',
    [],
    [5],
    5,
    null,
    {},
    'same-site',
    'data:x',
    'ws://app.example',
    'wss://app.example',
    'ftp://app.example',
    'capacitor://localhost/path',
    'capacitor://*',
    'capacitor://',
    'chrome-extension://',
    'data://x',
    'file:///',
    'NULL'
  ]) {
    t.throws(
      () => app.socketRoute('/', { onOpen: () => {} }, { origins: origins as Origins }),
      { code: 'FSR_ERR_OPTION_INVALID' },
      JSON.stringify(origins)
    )
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
  t.strictSame(seen, [null], 'a hook that was added too early sees null')
})
