// The configurations of docs/recipes.md "Run behind a proxy", as they stand there, in front of an
// app: only ports, paths and names of files are others. All proxies run side by side, and each test
// asks all of them at once.
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket, type ClientOptions } from 'ws'
import { systemClock } from '../../src/clock.js'
import { Client, frame, refusal } from '../support/client.js'
import {
  blocksOf,
  freePort,
  skipsWithout,
  startProxy,
  type Places,
  type Proxy
} from '../support/proxies.js'
import { createApp, tokenOf } from '../support/server.js'
import { tls } from '../support/tls.js'

const all: Proxy[] = ['nginx', 'haproxy', 'apache', 'caddy']
// Seconds and minutes, as each proxy takes its own.
const timeout = 600_000
t.setTimeout(timeout)

const skip = all.map(skipsWithout).find((reason) => reason !== undefined) ?? false

// The address of the tests' clients, which is not the proxy's.
const CLIENT = '127.0.0.2'

const outer = (proxy: Proxy): string => blocksOf(proxy)[0]!
// The document says what of the outer configuration an inner one has too.
const inner = (proxy: Proxy): string => {
  const shared = {
    nginx: /^[^]*?(?=server \{)/,
    haproxy: /^[^]*?(?=frontend)/,
    apache: /^/,
    caddy: /^/
  }[proxy]
  return shared.exec(outer(proxy))![0] + blocksOf(proxy)[1]!
}

interface Seen { readonly ip?: string, readonly host: string, readonly path: string }

async function createUpstream (test: Test, trustProxy: unknown): Promise<FastifyInstance> {
  // Real time, as proxies have no other; all but the heartbeat has as much of it as a slow machine
  // may need.
  const app = await createApp(test, {
    clock: systemClock,
    plugin: { handshakeTimeout: 120_000, closeTimeout: 120_000 },
    fastify: { trustProxy } as object
  })
  const shown = {
    onOpen: ({
      ip,
      headers,
      data
    }: {
      ip: string
      headers: Record<string, unknown>
      data: { path: string }
    }) => ({ ip, host: headers['host'], path: data.path }),
    onMessage: (_connection: unknown, message: string | object) => message
  }
  const data = ({ url }: { url: string }) => ({ path: url })
  app.socketRoute<{ Data: { path: string } }>('/chat', shown as never, { data })
  app.socketRoute('/guarded', { onOpen: () => 'in' }, 'ROLE_USER')
  app.socketRoute(
    '/beating',
    { onMessage: (_connection, message) => message },
    { heartbeat: { interval: 1_000, timeout: 120_000 } }
  )
  app.socketRoute('/silent', { onOpen: () => 'in' }, { heartbeat: false })
  return app
}

const at = (port: number, path: string): string => `wss://localhost:${port}${path}`
const given = (options: ClientOptions = {}): ClientOptions => ({
  ca: tls.cert,
  localAddress: CLIENT,
  family: 4,
  ...options
})

async function open (
  port: number,
  path: string,
  options: ClientOptions = {},
  protocols: string[] = []
): Promise<Client> {
  const client = new Client(new WebSocket(at(port, path), protocols, given(options)))
  await once(client.socket, 'open')
  return client
}

const refused = async (
  port: number,
  path: string,
  options: ClientOptions = {},
  protocols: string[] = []
) => await refusal(at(port, path), protocols, given(options))

t.test('behind the proxies of the documents', { skip, timeout }, async (t) => {
  const appPort = await freePort()
  let app = await createUpstream(t, '127.0.0.1')
  await app.listen({ port: appPort, host: '127.0.0.1' })
  const start = async (
    proxy: Proxy,
    block: string,
    places: Partial<Places> = {}
  ): Promise<number> => await startProxy(t, proxy, block, { app: appPort, idle: 10, ...places })
  // The tests of each proxy, side by side.
  const each = async (ask: (port: number, proxy: Proxy) => Promise<void>): Promise<void> => {
    await Promise.all(all.map(async (proxy, index) => { await ask(ports[index]!, proxy) }))
  }
  const ports = await Promise.all(all.map(async (proxy) => await start(proxy, outer(proxy))))

  t.test('own pages may connect, and others not; the address is that of the client', async (t) => {
    await each(async (port, proxy) => {
      const own = `https://localhost:${port}`
      for (const options of [
        { origin: own },
        {},
        { origin: own, headers: { 'x-forwarded-for': '192.0.2.9' } }
      ]) {
        const client = await open(port, '/chat', options)
        t.strictSame(
          await client.json(),
          { ip: CLIENT, host: `localhost:${port}`, path: '/chat' } satisfies Seen,
          proxy
        )
        client.send('hello')
        t.equal(await client.next(), 'hello', proxy)
        t.equal((await client.close(4000)).code, 4000, proxy)
      }
      const foreign = 'https://foreign.example'
      const forged = [
        {},
        { 'x-forwarded-host': 'foreign.example' },
        { 'x-forwarded-proto': 'http' }
      ]
      for (const headers of forged) {
        t.match(
          await refused(port, '/chat', { origin: foreign, headers }),
          { status: 403, body: { code: 'FSR_ERR_ORIGIN_REFUSED' } },
          proxy
        )
      }
      t.equal(
        (await refused(port, '/chat', { origin: `http://localhost:${port}` })).status,
        403,
        `${proxy}: another scheme`
      )
      t.equal(
        (await refused(port, '/chat', { origin: 'https://localhost' })).status,
        403,
        `${proxy}: another port`
      )
    })
  })

  t.test('tokens get through, and refusals as they are', async (t) => {
    const token = tokenOf(app)
    await each(async (port, proxy) => {
      t.equal(await (await open(port, '/guarded', {}, ['bearer', token])).next(), 'in', proxy)
      t.equal(
        await (await open(port, '/guarded', {
          headers: { authorization: `Bearer ${token}` }
        })).next(),
        'in',
        proxy
      )
      t.match(
        await refused(port, '/guarded'),
        {
          status: 401,
          body: { code: 'FSR_ERR_TOKEN_MISSING' },
          headers: { 'www-authenticate': 'Bearer' }
        },
        proxy
      )
      t.equal((await refused(port, '/nowhere')).status, 404, proxy)
    })
  })

  t.test('a route is reached below a path that the app does not see', async (t) => {
    await each(async (port, proxy) => {
      t.match(
        await (await open(port, '/live/chat?a=1', { origin: `https://localhost:${port}` })).json(),
        { path: '/chat?a=1' },
        proxy
      )
    })
  })

  t.test('the heartbeat keeps silent connections that the proxy cuts without it', async (t) => {
    await each(async (port, proxy) => {
      // A machine that holds this process up for longer than the proxy waits has it cut both: then
      // they are tried once more.
      let isKept = false
      for (let attempt = 1; attempt <= 5 && !isKept; attempt++) {
        const beating = await open(port, '/beating')
        const silent = await open(port, '/silent')
        // Caddy cuts nothing.
        if (proxy !== 'caddy') t.equal((await silent.closed).code, 1006, proxy)
        beating.send('still here')
        isKept = await beating.next().then((text) => text === 'still here', () => false)
      }
      t.ok(isKept, proxy)
    })
  })

  t.test('the inner one of two proxies passes on what the outer one has said', async (t) => {
    const pairs: Array<[outside: Proxy, inside: Proxy]> = [
      ['haproxy', 'nginx'],
      ['nginx', 'haproxy'],
      ['caddy', 'apache'],
      ['apache', 'caddy']
    ]
    await Promise.all(pairs.map(async ([outside, inside]) => {
      const innerPort = await freePort()
      await start(inside, inner(inside), { inner: innerPort })
      const port = await start(outside, outer(outside), { app: innerPort })
      const client = await open(port, '/chat', {
        origin: `https://localhost:${port}`,
        headers: { 'x-forwarded-for': '192.0.2.9' }
      })
      t.strictSame(
        await client.json(),
        { ip: CLIENT, host: `localhost:${port}`, path: '/chat' } satisfies Seen,
        `${outside}, ${inside}`
      )
      t.equal((await refused(port, '/chat', { origin: 'https://foreign.example' })).status, 403)
      client.socket.terminate()
    }))
  })

  t.test('over a Unix socket the proxy is trusted by its place', async (t) => {
    const socket = join(tmpdir(), `app-${process.pid}-${appPort}.sock`)
    const [, , over] = blocksOf('nginx')
    const block = outer('nginx').replace(/ {2}location \/ \{[^}]*\}/, over!)
    const first = (_address: string, hop: number): boolean => hop === 0
    for (const [trustProxy, ip] of [[first, CLIENT], [false, undefined]] as const) {
      const upstream = await createUpstream(t, trustProxy)
      await upstream.listen({ path: socket })
      const port = await start('nginx', block, { socket })
      const seen = await (await open(port, '/chat', {
        headers: { 'x-forwarded-for': '192.0.2.9' }
      })).json() as Seen
      t.equal(seen.ip, ip)
      if (trustProxy === first) {
        t.equal((await refused(port, '/chat', { origin: 'https://foreign.example' })).status, 403)
      }
      if (trustProxy === first) {
        (await open(port, '/chat', { origin: `https://localhost:${port}` })).socket.terminate()
      }
      await upstream.close()
    }
  })

  t.test('a client of HTTP/2 gets through where the proxy makes an upgrade of it', async (t) => {
    const port = ports[all.indexOf('haproxy')]!
    const session = connectHttp2(`https://localhost:${port}`, { ca: tls.cert })
    t.teardown(() => { session.destroy() })
    await new Promise<void>((resolve) => {
      session.on('remoteSettings', ({ enableConnectProtocol }) => {
        if (enableConnectProtocol === true) resolve()
      })
    })
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'https',
      ':path': '/chat',
      ':authority': `localhost:${port}`,
      'sec-websocket-version': '13',
      origin: `https://localhost:${port}`
    })
    const [headers] = await once(stream, 'response')
    t.equal(headers[':status'], 200)
    stream.write(frame('over HTTP/2'))
    let text = ''
    for await (const chunk of stream) {
      text += String(chunk)
      if (text.includes('over HTTP/2')) break
    }
    t.match(text, /"path":"\/chat"/)
  })

  t.test('a proxy that is not told of WebSocket is told to the client', async (t) => {
    const block = outer('nginx').replace(
      /^ +proxy_(?:http_version|set_header (?:Upgrade|Connection)) .*\n/gm,
      ''
    )
    const port = await start('nginx', block)
    t.match(await refused(port, '/guarded', {}, ['bearer', tokenOf(app)]), {
      status: 426,
      body: { code: 'FSR_ERR_UPGRADE_DROPPED' }
    })
    const half = outer('nginx').replace(/^ +proxy_http_version .*\n/m, '')
    t.match(await refused(await start('nginx', half), '/chat'), {
      status: 400,
      body: { message: /proxy_http_version 1\.1/ }
    })
  })

  t.test('clients are asked to reconnect at a restart, and admitted afterwards', async (t) => {
    const clients = await Promise.all(ports.map(async (port) => await open(port, '/chat')))
    await Promise.all([
      app.close(),
      ...clients.map(async (client) => { t.equal((await client.closed).code, 1012) })
    ])
    await each(async (port, proxy) => {
      const [status] = await new Promise<[number]>((resolve, reject) => {
        new WebSocket(at(port, '/chat'), given()).on(
          'unexpected-response',
          (_request, response) => { response.resume(); resolve([response.statusCode!]) }
        ).on('error', reject)
      })
      t.ok(status === 502 || status === 503, `${proxy}: ${status}`)
    })
    app = await createUpstream(t, '127.0.0.1')
    await app.listen({ port: appPort, host: '127.0.0.1' })
    await each(async (port, proxy) => {
      const client = await open(port, '/chat')
      t.match(await client.json(), { path: '/chat' }, proxy)
      client.socket.terminate()
    })
  })
})
