import { once } from 'node:events'
import t from 'tap'
import { connect, handshake, readAll, refusal, tcp } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'

const refused: Record<string, {
  headers?: Record<string, undefined | string>
  start?: string
  status: number | string
  contains?: RegExp
}> = {
  'HTTP/1.0': { start: 'GET / HTTP/1.0', status: 400, contains: /FSR_ERR_HANDSHAKE_INVALID/ },
  'no Host': { headers: { Host: undefined }, status: 400, contains: /FSR_ERR_HANDSHAKE_INVALID/ },
  'two Host headers': {
    headers: { host: 'evil.example' },
    status: 400,
    contains: /FSR_ERR_HANDSHAKE_INVALID[^]*several Host headers/
  },
  'one Host header twice': {
    headers: { HOST: 'localhost' },
    status: 400,
    contains: /several Host headers/
  },
  'no key': {
    headers: { 'Sec-WebSocket-Key': undefined },
    status: 400,
    contains: /FSR_ERR_HANDSHAKE_INVALID/
  },
  'an empty key': {
    headers: { 'Sec-WebSocket-Key': '' },
    status: 400,
    contains: /FSR_ERR_HANDSHAKE_INVALID/
  },
  'a key that is not 16 bytes': {
    headers: { 'Sec-WebSocket-Key': 'c2hvcnQ=' },
    status: 400,
    contains: /FSR_ERR_HANDSHAKE_INVALID/
  },
  'no version': {
    headers: { 'Sec-WebSocket-Version': undefined },
    status: 400,
    contains: /FSR_ERR_HANDSHAKE_INVALID/
  },
  'version 8': {
    headers: { 'Sec-WebSocket-Version': '8' },
    status: 426,
    contains: /sec-websocket-version: 13/i
  },
  'version 14': {
    headers: { 'Sec-WebSocket-Version': '14' },
    status: 426,
    contains: /FSR_ERR_VERSION_UNSUPPORTED/
  },
  'a body': {
    headers: { 'Content-Length': '7' },
    status: 400,
    contains: /FSR_ERR_HANDSHAKE_INVALID/
  },
  'a chunked body': {
    headers: { 'Transfer-Encoding': 'chunked' },
    status: 400,
    contains: /FSR_ERR_HANDSHAKE_INVALID/
  },
  'a body that is announced behind more headers than Node reads': {
    headers: {
      ...Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`a${index}`, ''])),
      'Content-Length': '7'
    },
    // Newer versions of Node refuse it themselves, with 431.
    status: '400|431',
    contains: /more headers than maxHeadersCount allows|Request Header Fields Too Large/
  },
  'the method POST': { start: 'POST / HTTP/1.1', status: 404 }
}
for (const [what, { headers, start, status, contains }] of Object.entries(refused)) {
  // Invariant 5
  t.test(`a handshake with ${what} is refused with ${status}`, async (t) => {
    const app = await createApp(t)
    let opened = 0
    app.socketRoute('/', { onOpen: () => { opened++ } })
    const socket = await tcp(await listen(app))
    socket.write(handshake('/', headers, start))
    const answer = await readAll(socket)
    t.match(answer, new RegExp(`^HTTP/1.1 (${status}) `))
    if (contains !== undefined) t.match(answer, contains)
    t.equal(opened, 0)
  })
}

for (const [what, request] of Object.entries({
  'to a URL that cannot be decoded': handshake('/%zz'),
  'behind another request': `GET /rest HTTP/1.1\r\nHost: localhost\r\n\r\n${handshake('/slow')}`,
  'whose hooks do not answer': handshake('/slow')
})) {
  t.test(`an upgrade ${what} leaves no socket behind`, async (t) => {
    const clock = new TestClock()
    const app = await createApp(t, { clock })
    app.get('/rest', async () => 'rest')
    app.socketRoute('/slow', { onOpen: () => {} }, {
      preValidation: async () => { await new Promise<never>(() => {}) }
    })
    const url = await listen(app)
    const socket = await tcp(url)
    socket.resume().on('error', () => {})
    socket.write(request)
    await clock.during(once(socket, 'close'))
    const count = await new Promise<number>((resolve, reject) => {
      app.server.getConnections((error, count) => {
        if (error === null) resolve(count); else reject(error)
      })
    })
    t.equal(count, 0)
  })
}

t.test('an upgrade that has happened is not ended by handshakeTimeout', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { handshakeTimeout: 2_000 } })
  app.socketRoute('/', { onMessage: () => 'alive' })
  const client = await connect(await listen(app))
  await clock.advance(5_000)
  client.send('x')
  t.equal(await client.next(), 'alive')
})

t.test('frames behind a refused handshake do not keep its answer from arriving', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => {} }, 'ROLE_USER')
  const socket = await tcp(await listen(app))
  socket.write(Buffer.concat([Buffer.from(handshake('/')), Buffer.alloc(1000, 0x81)]))
  t.match(await readAll(socket), /^HTTP\/1\.1 401 [^]*FSR_ERR_TOKEN_MISSING/)
})

t.test('Upgrade is read without regard to case', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => {} })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/', { Upgrade: 'WebSocket' }))
  const [data] = await once(socket, 'data')
  t.match(String(data), /^HTTP\/1\.1 101 /)
  t.match(
    String(data),
    /Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/,
    'the example of RFC 6455 section 1.3'
  )
  socket.destroy()
})

// P25
t.test('the first requested sub-protocol that the route supports is selected', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: ({ protocol }) => protocol }, {
    protocols: ['chat.v1', 'chat.v2']
  })
  const url = await listen(app)
  const cases: Array<[string[], string]> = [
    [['chat.v2', 'chat.v1'], 'chat.v2'],
    [['other', 'chat.v1'], 'chat.v1'],
    [[], ''],
    [['bearer', 'token', 'chat.v1'], 'chat.v1'],
    [['chat.v2', 'bearer', 'token'], 'chat.v2'],
    [['bearer', 'token'], 'bearer']
  ]
  for (const [offered, answered] of cases) {
    const client = await connect(url, offered)
    t.equal(await client.next(), answered)
    t.equal(client.socket.protocol, answered)
  }
  for (const offered of [['other'], ['CHAT.V1'], ['bearer', 'chat.v1', 'other']]) {
    const { status, body } = await refusal(url, offered)
    t.equal(status, 400)
    t.equal(body.code, 'FSR_ERR_PROTOCOL_UNSUPPORTED')
  }
})

// P25
t.test('a route without sub-protocols selects none', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onOpen: ({ protocol, headers }) => ({
      protocol,
      header: headers['sec-websocket-protocol'] ?? null
    })
  })
  const url = await listen(app)
  const socket = await tcp(url)
  socket.write(handshake('/', { 'Sec-WebSocket-Protocol': 'unknown, other' }))
  const [data] = await once(socket, 'data')
  t.match(String(data), /^HTTP\/1\.1 101 /)
  t.notMatch(String(data), /sec-websocket-protocol/i)
  socket.destroy()
})

// P22, invariant 8
t.test('the token of the sub-protocol is neither echoed nor left in the headers', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onOpen: ({ protocol, headers }) => ({ protocol, header: headers['sec-websocket-protocol'] })
  })
  const client = await connect(await listen(app), ['bearer', 'secret-token'])
  t.equal(client.socket.protocol, 'bearer')
  t.strictSame(await client.json(), { protocol: 'bearer', header: 'bearer' })
})
