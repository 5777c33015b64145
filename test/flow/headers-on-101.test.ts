// Headers and cookies that hooks set on the response are on the 101, also those set in onSend.
import type { IncomingHttpHeaders } from 'node:http'
import cookie from '@fastify/cookie'
import t from 'tap'
import { WebSocket } from 'ws'
import { connect, handshake, refusal, tcp } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

async function headersOf (url: string, options: object = {}): Promise<IncomingHttpHeaders> {
  const socket = new WebSocket(url, options)
  const headers = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
    socket.on('upgrade', (response) => { resolve(response.headers) }).on('error', reject)
  })
  socket.on('error', () => {}).terminate()
  return headers
}

t.test('headers and cookies of hooks are on the 101', async (t) => {
  const app = await createApp(t)
  await app.register(cookie)
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('X-Server', 'a7').header('x-number', 5).setCookie('seen', 'yes', {
      path: '/'
    }).setCookie('twice', '2')
  })
  app.addHook('preHandler', async (_request, reply) => { reply.raw.setHeader('x-raw', 'raw') })
  app.addHook('onSend', async (_request, reply, payload) => {
    await new Promise(setImmediate)
    reply.header('x-late', `${reply.statusCode} ${payload === undefined}`)
  })
  app.socketRoute('/', { onMessage: (_connection, message) => message })
  app.socketRoute('/guarded', { onOpen: () => 'in' }, {
    isGranted: 'ROLE_USER',
    onRequest: async (_request, reply) => { reply.header('x-route', '1') }
  })
  const url = await listen(app)
  const headers = await headersOf(url)
  t.match(headers, {
    'x-server': 'a7',
    'x-number': '5',
    'x-raw': 'raw',
    'x-late': '101 true',
    'set-cookie': ['seen=yes; Path=/', 'twice=2'],
    upgrade: 'websocket',
    connection: 'Upgrade'
  })
  const client = await connect(url)
  client.send('hello')
  t.equal(await client.next(), 'hello')
  client.socket.terminate()
  t.match(
    await headersOf(`${url}/guarded`, { headers: { authorization: `Bearer ${tokenOf(app)}` } }),
    { 'x-route': '1', 'x-late': '101 true' }
  )
  t.match(
    (await refusal(`${url}/guarded`)).headers,
    { 'x-late': '401 false', 'x-server': 'a7' },
    'as on any answer'
  )
})

t.test('the 101 has no forbidden headers, nor those of a rejection', async (t) => {
  const warnings: string[] = []
  const app = await createApp(t, {
    fastify: {
      logger: { level: 'warn', stream: { write: (line: string) => { warnings.push(line) } } }
    }
  })
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      connection: 'close',
      'content-length': '5',
      'content-type': 'text/html',
      'content-encoding': 'gzip',
      'transfer-encoding': 'chunked',
      trailer: 'x',
      upgrade: 'h2c',
      'keep-alive': 'timeout=5',
      'retry-after': '5',
      'sec-websocket-accept': 'x',
      'sec-websocket-protocol': 'other',
      'x-split': 'a\r\nx-injected: 1',
      'bad name': 'b',
      'x-list': ['1', '2\n3'],
      'content-security-policy': "default-src 'self'",
      'x-empty': ''
    })
  })
  app.socketRoute('/', { onOpen: () => 'in' })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/'))
  let text = ''
  for await (const chunk of socket) {
    text += String(chunk)
    if (text.endsWith('in')) break
  }
  const [head] = text.split('\r\n\r\n') as [string]
  t.strictSame(head.split('\r\n'), [
    'HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
    'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'x-list: 1',
    "content-security-policy: default-src 'self'", 'x-empty: '
  ])
  t.equal(warnings.length, 3)
  t.notOk(warnings.some((line) => line.includes('injected')))
})

t.test('a failing onSend hook rejects the upgrade, in the form of Fastify', async (t) => {
  for (const hasHandler of [false, true]) {
    const app = await createApp(t)
    let handled = 0
    // A hook that leaves the status as it is.
    if (hasHandler) app.setErrorHandler(async () => { handled++; return { mine: true } })
    const once = new Set<unknown>()
    app.addHook('onSend', async (request, reply) => {
      if (once.has(request)) return
      once.add(request)
      if (request.headers['x-do'] === 'throw') throw new Error('no')
      if (request.headers['x-do'] === 'answer') reply.code(403)
    })
    app.socketRoute('/', { onOpen: () => 'in' })
    const url = await listen(app)
    const socket = await tcp(url)
    socket.write(handshake('/', { 'x-do': 'throw' }))
    const [data] = await new Promise<Buffer[]>((resolve) => {
      socket.on('data', (...data) => { resolve(data) })
    })
    t.match(String(data), hasHandler ? /^HTTP\/1\.1 200 OK[^]*mine/ : /^HTTP\/1\.1 500 /)
    t.equal(handled, hasHandler ? 1 : 0)
    const other = await tcp(url)
    other.write(handshake('/', { 'x-do': 'answer' }))
    const [answer] = await new Promise<Buffer[]>((resolve) => {
      other.on('data', (...data) => { resolve(data) })
    })
    t.match(String(answer), /^HTTP\/1\.1 403 /)
    t.equal(app.socketRoutes.get('/')!.clients.size, 0)
  }
})

t.test('a cap that is reached while hooks look at the answer refuses', async (t) => {
  const app = await createApp(t)
  let waiting = 0
  let go: undefined | (() => void)
  const gone = new Promise<void>((resolve) => { go = resolve })
  app.addHook('onSend', async (_request, reply) => {
    if (reply.statusCode !== 101) return
    if (++waiting === 2) go!()
    await gone
  })
  app.socketRoute('/', { onOpen: () => 'in' }, { connections: { perRoute: 1 } })
  const url = await listen(app)
  const outcomes = await Promise.allSettled([connect(url), connect(url)])
  t.strictSame(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
})

t.test('a listener to headers of the server of ws sees the lines', async (t) => {
  const app = await createApp(t)
  app.websocketServer.on('headers', (lines, request) => { lines.push(`x-url: ${request.url}`) })
  app.socketRoute('/', { onOpen: () => 'in' })
  t.match(await headersOf(await listen(app)), { 'x-url': '/' })
})
