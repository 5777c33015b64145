import t from 'tap'
import { connect, frame, handshake } from '../support/client.js'
import { closeCodeOf, faultServer, raw, rawFrame, rawOpen } from '../support/faults.js'
import { until } from '../support/until.js'

const invalid = /FSR_ERR_HANDSHAKE_INVALID/
const header = (name: string, value: string) => handshake('/').replace(
  '\r\n\r\n',
  `\r\n${name}: ${value}\r\n\r\n`
)

// What is said, the status of the answer, after which the connection is closed, and what the answer
// contains.
const handshakes: Record<string, {
  request: string | Buffer
  status: number
  contains?: RegExp
}> = {
  'that is no HTTP': { request: 'hello\r\n\r\n', status: 400 },
  'that is TLS': { request: Buffer.from('16030100c8010000c40303', 'hex'), status: 400 },
  'that is HTTP/2': { request: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', status: 400 },
  'with an unknown method': { request: handshake('/', {}, 'FETCH / HTTP/1.1'), status: 400 },
  'with a request line without a version': { request: handshake('/', {}, 'GET /'), status: 400 },
  'with a space in its path': { request: handshake('/', {}, 'GET /a b HTTP/1.1'), status: 400 },
  'with a version that does not exist': {
    request: handshake('/', {}, 'GET / HTTP/9.9'),
    status: 400
  },
  'with a path that cannot be decoded': { request: handshake('/%E0%A4%A'), status: 400 },
  'with a null byte in a header': { request: header('X-A', 'a\0b'), status: 400 },
  'with a header without a name': { request: header('', 'x'), status: 400 },
  'with a folded header': { request: header('X-A', 'a\r\n b'), status: 400 },
  'with lines that end in LF': { request: handshake('/').replaceAll('\r\n', '\n'), status: 400 },
  'with one large header': { request: header('X-A', 'a'.repeat(20_000)), status: 431 },
  'with a flood of headers': {
    request: header('X-A', Array(5_000).fill('b').join('\r\nX-A: ')),
    status: 431
  },
  'with a long path': { request: handshake(`/${'a'.repeat(20_000)}`), status: 431 },
  'with a long protocol list': {
    request: handshake('/', { 'Sec-WebSocket-Protocol': 'a,'.repeat(10_000) }),
    status: 431
  },
  'without a Host': {
    request: handshake('/', { Host: undefined }),
    status: 400,
    contains: invalid
  },
  'of HTTP/1.0': { request: handshake('/', {}, 'GET / HTTP/1.0'), status: 400, contains: invalid },
  'without a version': {
    request: handshake('/', { 'Sec-WebSocket-Version': undefined }),
    status: 400,
    contains: invalid
  },
  'with a wrong version': {
    request: handshake('/', { 'Sec-WebSocket-Version': '12' }),
    status: 426,
    contains: /sec-websocket-version: 13/i
  },
  'with two versions': {
    request: header('Sec-WebSocket-Version', '8'),
    status: 426,
    contains: /FSR_ERR_VERSION_UNSUPPORTED/
  },
  'without a key': {
    request: handshake('/', { 'Sec-WebSocket-Key': undefined }),
    status: 400,
    contains: invalid
  },
  'with a key that is too short': {
    request: handshake('/', { 'Sec-WebSocket-Key': 'AAAA' }),
    status: 400,
    contains: invalid
  },
  'with a key that is not base64': {
    request: handshake('/', { 'Sec-WebSocket-Key': '!'.repeat(22) + '==' }),
    status: 400,
    contains: invalid
  },
  'with two keys': {
    request: header('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='),
    status: 400,
    contains: invalid
  },
  'with a body': {
    request: header('Content-Length', '5') + 'hello',
    status: 400,
    contains: invalid
  },
  'with a chunked body': {
    request: header('Transfer-Encoding', 'chunked') + '5\r\nhello\r\n0\r\n\r\n',
    status: 400,
    contains: invalid
  },
  'with two lengths of a body': {
    request: header('Content-Length', '5\r\nContent-Length: 6') + 'hello',
    status: 400
  },
  'with two Upgrade headers': {
    request: header('Upgrade', 'websocket'),
    status: 426,
    contains: /upgrade: websocket/i
  },
  'that offers h2c too': {
    request: handshake('/', { Upgrade: 'websocket, h2c' }),
    status: 426,
    contains: /FSR_ERR_UPGRADE_REQUIRED/
  },
  'that says close in the place of Upgrade': {
    request: handshake('/', { Upgrade: undefined, Connection: 'close' }),
    status: 426,
    contains: /upgrade: websocket[^]*connection: upgrade, close/i
  },
  'whose Connection does not say Upgrade': {
    request: handshake('/', { Connection: 'close' }),
    status: 426
  },
  'without Upgrade, of HTTP/1.0': {
    request: handshake('/', { Upgrade: undefined, Connection: undefined }, 'GET / HTTP/1.0'),
    status: 426
  },
  'by POST': { request: handshake('/', {}, 'POST / HTTP/1.1'), status: 404 },
  'to another path': { request: handshake('/nowhere'), status: 404 },
  'with garbage behind it that is refused': {
    request: Buffer.concat([Buffer.from(handshake('/nowhere')), Buffer.alloc(70_000, 0xff)]),
    status: 404
  }
}
for (const [what, { request, status, contains }] of Object.entries(handshakes)) {
  t.test(`a handshake ${what} is answered ${status}, and nothing is left of it`, async (t) => {
    const server = await faultServer(t)
    const client = await raw(server.url)
    client.socket.write(request)
    const answer = await client.closed
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
    if (contains !== undefined) t.match(answer, contains)
    t.equal(server.opened, 0)
    await server.unharmed()
  })
}

t.test('CONNECT, which is no request of ours, is cut', async (t) => {
  const server = await faultServer(t)
  const client = await raw(server.url)
  client.socket.write(handshake('/', {}, 'CONNECT localhost:80 HTTP/1.1'))
  t.equal(await client.closed, '')
  await server.unharmed()
})

t.test('a handshake in pieces of one byte is a handshake', async (t) => {
  const server = await faultServer(t)
  const client = await raw(server.url)
  client.socket.setNoDelay()
  for (const byte of handshake('/')) {
    await new Promise<void>((resolve, reject) => {
      client.socket.write(byte, (error) => { if (error == null) resolve(); else reject(error) })
    })
  }
  t.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 101 /)
  client.socket.write(frame('hello'))
  t.match(await client.until('hello'), /hello$/)
  client.socket.destroy()
  await server.unharmed()
})

t.test('frames in one packet with the handshake are handled after the 101', async (t) => {
  let admit: undefined | (() => void)
  const server = await faultServer(t, {
    route: { preHandler: async () => { await new Promise<void>((resolve) => { admit = resolve }) } }
  })
  const client = await raw(server.url)
  client.socket.write(Buffer.concat([Buffer.from(handshake('/')), frame('one'), frame('two')]))
  await until(() => admit !== undefined)
  t.equal(client.received().length, 0)
  admit!()
  t.match(await client.until('two'), /^HTTP\/1\.1 101 [^]*one[^]*two$/)
  client.socket.destroy()
  await server.unharmed()
})

t.test('a bad frame in one packet with the handshake closes with 1002 after the 101', async (t) => {
  const server = await faultServer(t)
  const client = await raw(server.url)
  client.socket.write(Buffer.concat([Buffer.from(handshake('/')), rawFrame({ opcode: 0x3 })]))
  await client.until(/\r\n\r\n[^]*\x88/)
  t.equal(closeCodeOf(client.received()), 1002)
  client.socket.destroy()
  await server.unharmed()
})

const close = (code: number, reason: string | Buffer = '') => {
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)])
  payload.writeUInt16BE(code)
  return rawFrame({ opcode: 0x8, payload })
}
const notUtf8 = Buffer.from([0xce, 0xba, 0xff])

const frames: Record<string, { bytes: Buffer, code: number }> = {
  'a frame that is not masked': { bytes: rawFrame({ payload: 'a', isMasked: false }), code: 1002 },
  'a control frame that is not masked': {
    bytes: rawFrame({ opcode: 0x9, isMasked: false }),
    code: 1002
  },
  'reserved bit 1 without an extension': {
    bytes: rawFrame({ payload: 'a', reserved: 0b100 }),
    code: 1002
  },
  'reserved bit 2': { bytes: rawFrame({ payload: 'a', reserved: 0b010 }), code: 1002 },
  'reserved bit 3': { bytes: rawFrame({ payload: 'a', reserved: 0b001 }), code: 1002 },
  'a reserved bit of a ping': { bytes: rawFrame({ opcode: 0x9, reserved: 0b100 }), code: 1002 },
  ...Object.fromEntries([0x3, 0x7, 0xb, 0xf].map((opcode) => [
    `the unknown opcode ${opcode}`,
    { bytes: rawFrame({ opcode, payload: 'a' }), code: 1002 }
  ])),
  'a ping that is too long': {
    bytes: rawFrame({ opcode: 0x9, payload: 'x'.repeat(126) }),
    code: 1002
  },
  'a pong that is too long': {
    bytes: rawFrame({ opcode: 0xa, payload: 'x'.repeat(70_000) }),
    code: 1002
  },
  'a close frame that is too long': { bytes: close(1000, 'x'.repeat(124)), code: 1002 },
  'a ping in fragments': { bytes: rawFrame({ opcode: 0x9, isFinal: false }), code: 1002 },
  'a close frame in fragments': { bytes: rawFrame({ opcode: 0x8, isFinal: false }), code: 1002 },
  'a continuation of nothing': { bytes: rawFrame({ opcode: 0x0, payload: 'a' }), code: 1002 },
  'a continuation of nothing that goes on': {
    bytes: rawFrame({ opcode: 0x0, payload: 'a', isFinal: false }),
    code: 1002
  },
  'a new message inside a fragmented one': {
    bytes: Buffer.concat([rawFrame({ payload: 'a', isFinal: false }), rawFrame({ payload: 'b' })]),
    code: 1002
  },
  'text that is not UTF-8': { bytes: rawFrame({ payload: notUtf8 }), code: 1007 },
  'text that is cut inside a character': {
    bytes: rawFrame({ payload: Buffer.from([0xf0, 0x9f, 0x98]) }),
    code: 1007
  },
  'text with half a surrogate': {
    bytes: rawFrame({ payload: Buffer.from([0xed, 0xa0, 0x80]) }),
    code: 1007
  },
  'text that is not UTF-8 over two fragments': {
    bytes: Buffer.concat([
      rawFrame({ payload: notUtf8.subarray(0, 1), isFinal: false }),
      rawFrame({ opcode: 0x0, payload: notUtf8.subarray(2) })
    ]),
    code: 1007
  },
  'a length over 2^53': { bytes: rawFrame({ opcode: 0x2, length: 2n ** 53n }), code: 1009 },
  'a length with the highest bit set': {
    bytes: rawFrame({ opcode: 0x2, length: 2n ** 63n }),
    code: 1009
  },
  'the longest length': { bytes: rawFrame({ opcode: 0x2, length: 2n ** 64n - 1n }), code: 1009 },
  'a length over maxPayload, of which nothing comes': {
    bytes: rawFrame({ opcode: 0x2, length: 65_537 }),
    code: 1009
  },
  'a length of 4 GiB, of which nothing comes': {
    bytes: rawFrame({ opcode: 0x2, length: 2n ** 32n }),
    code: 1009
  },
  'a message that is one byte too large': {
    bytes: rawFrame({ opcode: 0x2, payload: Buffer.alloc(65_537) }),
    code: 1009
  },
  'fragments that are too large together': {
    bytes: Buffer.concat([
      rawFrame({ opcode: 0x2, payload: Buffer.alloc(65_536), isFinal: false }),
      rawFrame({ opcode: 0x0, payload: 'x' })
    ]),
    code: 1009
  },
  'too many fragments': {
    bytes: Buffer.concat([
      rawFrame({ payload: 'a', isFinal: false }),
      ...Array(16_385).fill(rawFrame({ opcode: 0x0, payload: 'a', isFinal: false }))
    ]),
    code: 1008
  },
  'too many empty fragments': {
    bytes: Buffer.concat([
      rawFrame({ isFinal: false }),
      ...Array(16_385).fill(rawFrame({ opcode: 0x0, isFinal: false }))
    ]),
    code: 1008
  },
  'a close frame of one byte': { bytes: rawFrame({ opcode: 0x8, payload: 'x' }), code: 1002 },
  ...Object.fromEntries([0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code) => [
    `a close frame with the code ${code}`,
    { bytes: close(code), code: 1002 }
  ])),
  'a close frame whose reason is not UTF-8': { bytes: close(1000, notUtf8), code: 1007 }
}
for (const [what, { bytes, code }] of Object.entries(frames)) {
  t.test(`${what} closes with ${code}, and nothing is left`, async (t) => {
    const errors: unknown[] = []
    const server = await faultServer(t, {
      controller: {
        onMessage: (_connection, message) => message,
        onError: (_connection, error) => { errors.push((error as { code?: string }).code) }
      }
    })
    const other = await connect(server.url)
    const client = await rawOpen(server.url)
    client.socket.write(frame('before'))
    await client.until('before')
    client.socket.write(Buffer.concat([bytes, frame('after')]))
    await client.until(/before[^]*\x88[^][^][^]/)
    t.equal(closeCodeOf(client.received()), code)
    t.notMatch(client.received().toString('latin1'), 'after', 'later messages are not handled')
    client.socket.end()
    await client.closed
    other.send('others do not notice')
    t.equal(await other.next(), 'others do not notice')
    await other.close()
    t.match(errors, [/^FSR_ERR_/])
    await server.unharmed()
    t.strictSame(server.codes.sort(), [code, 1005].sort())
  })
}

for (const code of [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999]) {
  t.test(`a close frame with the code ${code} is answered`, async (t) => {
    const server = await faultServer(t)
    const client = await rawOpen(server.url)
    client.socket.write(close(code, 'x'.repeat(123)))
    await client.closed
    t.equal(closeCodeOf(client.received()), code)
    await server.unharmed()
    t.strictSame(server.codes, [code])
  })
}

t.test('an empty close frame is answered', async (t) => {
  const server = await faultServer(t)
  const client = await rawOpen(server.url)
  client.socket.write(rawFrame({ opcode: 0x8 }))
  await client.closed
  t.equal(closeCodeOf(client.received()), 1005)
  await server.unharmed()
  t.strictSame(server.codes, [1005])
})

t.test('empty messages, and the allowed number of tiny fragments, are messages', async (t) => {
  const lengths: number[] = []
  const server = await faultServer(t, {
    controller: {
      onMessage: (_connection, message) => {
        lengths.push(message.bytes.length)
        return `${lengths.length}.`
      }
    }
  })
  const client = await rawOpen(server.url)
  const fragments = (payload: string) => [
    rawFrame({ payload, isFinal: false }),
    ...Array(126).fill(Buffer.concat([rawFrame({ opcode: 0x0, payload, isFinal: false })])),
    rawFrame({ opcode: 0x0, payload })
  ]
  client.socket.write(Buffer.concat([
    rawFrame(),
    rawFrame({ opcode: 0x2 }),
    ...fragments('a'),
    ...fragments('')
  ]))
  await client.until('4.')
  t.strictSame(lengths, [0, 0, 128, 0])
  client.socket.destroy()
  await server.unharmed()
})

t.test('pings and pongs between the fragments of a message do it no harm', async (t) => {
  const server = await faultServer(t)
  const client = await rawOpen(server.url)
  client.socket.write(Buffer.concat([
    rawFrame({
      payload: 'frag',
      isFinal: false
    }), rawFrame({ opcode: 0x9, payload: 'ping' }), rawFrame({ opcode: 0xa, payload: 'pong' }),
    rawFrame({ opcode: 0x0, payload: 'ment' })
  ]))
  t.match(await client.until('fragment'), /ping[^]*fragment$/)
  client.socket.destroy()
  await server.unharmed()
})

t.test('a flood of pings by a client that does not read is cut', async (t) => {
  const server = await faultServer(t)
  const client = await rawOpen(server.url)
  client.socket.pause()
  const flood = Buffer.concat(Array(500).fill(rawFrame({ opcode: 0x9, payload: 'x'.repeat(125) })))
  // More than every buffer on the way holds.
  for (let sent = 0; !client.socket.closed && sent < 1_000_000_000; sent += flood.length) {
    if (!client.socket.write(flood)) {
      await new Promise<void>((resolve) => {
        client.socket.once('drain', resolve).once('close', () => { resolve() })
      })
    }
  }
  await client.closed
  await server.unharmed()
  t.strictSame(server.codes, [1006])
})

t.test('a flood of unsolicited pongs is read and forgotten', async (t) => {
  const server = await faultServer(t)
  const client = await rawOpen(server.url)
  const flood = Buffer.concat(Array(500).fill(rawFrame({ opcode: 0xa, payload: 'x'.repeat(125) })))
  for (let count = 0; count < 200; count++) {
    if (!client.socket.write(flood)) {
      await new Promise<void>((resolve) => { client.socket.once('drain', resolve) })
    }
  }
  client.socket.write(frame('still here'))
  t.match(await client.until('still here'), /\r\n\r\n[^]{2}still here$/)
  client.socket.destroy()
  await server.unharmed()
})
