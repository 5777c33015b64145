import t from 'tap'
import { turns } from '../support/until.js'
import { tokenOf, withClock } from './clock.js'
import { connectTo, pair, tell, WireServer } from './wire-server.js'

t.test('every connection gets a token of its own, as sub-protocols', async (t) => {
  const server = await WireServer.start(t)
  let count = 0
  const client = connectTo(t, server.url, {
    token: async () => `token-${++count}`,
    protocols: ['chat.v1']
  })
  for (let times = 0; times < 2; times++) {
    const connection = await server.accept()
    await client.opened
    connection.socket.close(1012)
    await connection.closed
  }
  await server.accept()
  t.strictSame(server.offered, [1, 2, 3].map((count) => ['bearer', `token-${count}`, 'chat.v1']))
})

t.test('without a token there are only the protocols, or nothing', async (t) => {
  const server = await WireServer.start(t)
  for (const options of [
    {},
    { token: () => undefined },
    { token: async () => null },
    { token: () => null, protocols: ['chat.v1'] },
    { protocols: 'chat.v1' }
  ]) {
    connectTo(t, server.url, options)
    await server.accept()
  }
  t.strictSame(server.offered, [[''], [''], [''], ['chat.v1'], ['chat.v1']])
})

t.test('a token that cannot be had is told to onError, and asked for again', async (t) => {
  const server = await WireServer.start(t)
  const errors: unknown[] = []
  let count = 0
  const client = connectTo(t, server.url, {
    token () {
      count++
      if (count === 1) throw new Error('signed out')
      // eslint-disable-next-line no-throw-literal
      if (count === 3) throw undefined
      return 'token'
    },
    onError (error) { errors.push(error) }
  })
  const connection = await server.accept()
  t.equal(count, 2)
  connection.socket.terminate()
  await server.accept()
  await client.opened
  t.equal(count, 4)
  t.match(errors, [{ message: 'signed out' }, { code: 'FSR_CLIENT_CONNECTION', message: /token/ }])
})

t.test('failing providers are asked with pauses', async (t) => await withClock(async (tick) => {
  t.intercept(Math, 'random', { value: () => 0 })
  const at: number[] = []
  connectTo(t, 'ws://localhost/', {
    reconnect: { minDelay: 1_000 },
    token () { at.push(Date.now()); throw new Error('signed out') }
  })
  for (let seconds = 0; seconds < 5; seconds++) await tick(seconds === 0 ? 0 : 1_000)
  t.strictSame(at, [0, 1_000, 3_000])
}))

for (const name of ['token', 'address'] as const) {
  t.test(`a late ${name}() is called again`, async (t) => await withClock(async (tick) => {
    t.intercept(Math, 'random', { value: () => 0 })
    const server = await WireServer.start(t)
    const late: Array<(value: string) => void> = []
    const errors: unknown[] = []
    const slow = (value: string) => () => late.length < 2
      ? new Promise<string>((resolve) => { late.push(resolve) })
      : value
    const client = connectTo(t, name === 'address' ? slow(server.url) : server.url, {
      ...(name === 'token' && { token: slow('token') }),
      connectTimeout: 5_000,
      reconnect: { minDelay: 1_000 },
      onError (error) { errors.push(error) }
    })
    await tick(0)
    await tick(4_999)
    t.strictSame(errors, [])
    await tick(1)
    t.match(errors, [{
      code: 'FSR_CLIENT_CONNECTION',
      message: 'No address or token within 5000 ms'
    }])
    t.notOk(client.isOpen)
    await tick(1_000)
    t.equal(late.length, 2, 'it is called again after the usual delay')
    late[0]!(name === 'token' ? 'late' : `${server.url}late`)
    await tick(5_000)
    t.equal(errors.length, 2)
    await tick(1_500)
    await server.accept()
    await client.opened
    t.strictSame(
      [server.offered, server.asked],
      [[name === 'token' ? ['bearer', 'token'] : ['']], ['/']],
      'what came too late is not used'
    )
  }))
}

t.test('the token is no part of connectTimeout', async (t) => await withClock(async (tick) => {
  class Silent extends EventTarget {
    readyState = 0
    close () { this.readyState = 3 }
  }
  let resolve = (_token: string) => {}
  const errors: unknown[] = []
  connectTo(t, 'ws://localhost/', {
    WebSocket: Silent,
    connectTimeout: 5_000,
    token: () => new Promise((_resolve) => { resolve = _resolve }),
    onError (error) { errors.push(error) }
  })
  await tick(0)
  await tick(4_000)
  resolve('token')
  await tick(0)
  await tick(4_999)
  t.strictSame(errors, [])
  await tick(1)
  t.match(errors, [{ message: 'Cannot connect to ws://localhost/: no answer within 5000 ms' }])
}))

t.test('a token that cannot be a sub-protocol is not in the text of the error', async (t) => {
  const error = await new Promise((resolve) => {
    const client = connectTo(t, 'ws://localhost/', {
      token: () => 'Bearer token',
      onError (error) { client.close(); resolve(error) }
    })
  })
  t.match(error, {
    name: 'ClientError',
    code: 'FSR_CLIENT_TOKEN',
    message: "The token cannot be a sub-protocol; leave out 'Bearer '"
  })
})

t.test('an expired token is replaced at once', async (t) => await withClock(async (tick) => {
  const server = await WireServer.start(t)
  let count = 0
  const client = connectTo(t, server.url, {
    token: () => `token-${++count}`,
    reconnect: { minDelay: 1_000 }
  })
  await tick(0)
  const connection = await server.accept()
  await client.opened
  connection.socket.close(4401, 'token expired')
  await connection.closed
  await turns(5)
  await tick(0)
  const second = await server.accept()
  await client.opened
  t.strictSame(server.offered, [['bearer', 'token-1'], ['bearer', 'token-2']])

  const ended = new Promise((resolve) => { client.onClose(resolve) })
  second.socket.close(4401, 'token expired')
  t.match(await ended, { willReconnect: true })
  await tick(999)
  await turns(5)
  t.equal(count, 2)
  await tick(5_000)
  await server.accept()
  t.equal(count, 3)
}))

t.test('renew() sends a token, and waits for the answer', async (t) => {
  const { client, connection } = await pair(t)
  const renewed = client.renew('token-2')
  t.strictSame(await connection.json(), { type: 'renew', data: { token: 'token-2' }, id: 1 })
  tell(connection, { type: 'reply', id: 1 })
  t.equal(await renewed, undefined)

  const refused = client.renew('token-3')
  await connection.next()
  tell(connection, { type: 'error', id: 2, code: 'FSR_ERR_TOKEN_INVALID', message: 'no' })
  await t.rejects(refused, { code: 'FSR_ERR_TOKEN_INVALID' })
  connection.socket.terminate()
  await new Promise((resolve) => { client.onClose(resolve) })
  await t.rejects(
    client.renew('token-4'),
    { code: 'FSR_CLIENT_DISCONNECTED' },
    'and does not wait for the next connection'
  )
})

t.test('a token is not renewed over a connection that is closing, nor over the next', async (t) => {
  const { server, client, connection } = await pair(t)
  const refused = new Promise<unknown>((resolve) => {
    client.on('last', () => {
      // The close frame has been read by then, and the end of the connection not.
      setImmediate(() => {
        t.notOk(client.isOpen)
        client.renew('old').catch(resolve)
      })
    })
  })
  connection.socket.send('{"type":"last"}')
  connection.socket.close(1012)
  t.match(await refused, { code: 'FSR_CLIENT_DISCONNECTED' })
  const next = await server.accept()
  await client.opened
  client.send('next')
  t.strictSame(await next.json(), { type: 'next' })
})

t.test('a token is renewed before it expires', async (t) => await withClock(async (tick) => {
  const server = await WireServer.start(t)
  let count = 0
  const errors: unknown[] = []
  const client = connectTo(t, server.url, {
    ping: false,
    token () {
      if (++count === 4) throw new Error('signed out')
      return tokenOf({ exp: Date.now() / 1_000 + 600, count })
    },
    onError (error) { errors.push(error) }
  })
  await tick(0)
  const connection = await server.accept()
  await client.opened
  for (const times of [2, 3]) {
    await tick(539_999)
    t.equal(count, times - 1)
    await tick(1)
    const { type, id, data } = await connection.json() as {
      type: string
      id: number
      data: { token: string }
    }
    t.strictSame([type, data.token], [
      'renew',
      tokenOf({ exp: Date.now() / 1_000 + 600, count: times })
    ])
    const done = new Promise((resolve) => { client.on('done', resolve) })
    tell(connection, { type: 'reply', id })
    tell(connection, { type: 'done' })
    await done
    await turns(1)
  }
  await tick(540_000)
  t.match(errors, [{ message: 'signed out' }])
  client.close()
  await tick(3_600_000)
  t.equal(count, 4, 'and not any more when the client is closed')
}))
