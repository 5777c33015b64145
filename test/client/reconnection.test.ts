import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { connect, type Ended } from '../../src/client/index.js'
import { turns, until } from '../support/until.js'
import { withClock } from './clock.js'
import { connectTo, pair, WireServer } from './wire-server.js'

// A WebSocket that notes the addresses to which it has connected.
function counting (attempts: string[]): typeof WebSocket {
  return class extends WebSocket {
    constructor (url: string, protocols?: string | string[]) {
      super(url, protocols)
      attempts.push(url)
    }
  } as typeof WebSocket
}

for (const [code, reason] of [
  [1001, ''],
  [1005, ''],
  [1011, 'internal error'],
  [1012, 'service restart'],
  [1013, 'too slow'],
  [1014, ''],
  [4401, 'token expired'],
  [4429, 'too many messages']
] as const) {
  t.test(`the client comes back after ${code} ${reason}`, async (t) => {
    const { server, client, connection } = await pair(t)
    const ended = new Promise((resolve) => { client.onClose(resolve) })
    if (code === 1005) connection.socket.close()
    else connection.socket.close(code, reason)
    t.strictSame(await ended, { code, reason, willReconnect: true })
    t.notOk(client.isOpen)
    await server.accept()
    await client.opened
    t.ok(client.isOpen)
  })
}

for (const [code, reason] of [
  [1000, ''],
  [1002, 'protocol error'],
  [1003, ''],
  [1007, 'invalid payload'],
  [1008, 'policy violation'],
  [1009, 'message too big'],
  [4401, 'token missing'],
  [4401, 'token not valid'],
  [4403, 'access revoked'],
  [4000, 'of the app'],
  [3000, '']
] as const) {
  t.test(`the client stays away after ${code} ${reason}`, async (t) => {
    const attempts: string[] = []
    await withClock(async (tick) => {
      const { client, connection } = await pair(t, { WebSocket: counting(attempts) }, tick)
      const events: unknown[] = []
      client.onClose((closed) => { events.push(closed) })
      connection.socket.close(code, reason)
      t.strictSame(await client.closed, { code, reason })
      await tick(60_000)
      await t.rejects(client.opened, { code: 'FSR_CLIENT_CLOSED' })
      t.strictSame(events, [{ code, reason, willReconnect: false }])
    })
    t.equal(attempts.length, 1)
  })
}

t.test('a connection that is cut is made again', async (t) => {
  const { server, client, connection } = await pair(t)
  const ended = new Promise((resolve) => { client.onClose(resolve) })
  connection.socket.terminate()
  t.strictSame(await ended, { code: 1006, reason: '', willReconnect: true })
  await server.accept()
  await client.opened
})

t.test('a violation of the WebSocket protocol counts as a cut', async (t) => {
  const errors: unknown[] = []
  const { server, client, connection } = await pair(t, { onError (error) { errors.push(error) } })
  const ended = new Promise((resolve) => { client.onClose(resolve) })
  // A frame with a reserved bit.
  ;(connection.socket as unknown as { _socket: { write (bytes: Buffer): void } })._socket.write(
    Buffer.from([0xf1, 0x00])
  )
  t.strictSame(await ended, { code: 1006, reason: '', willReconnect: true })
  await server.accept()
  await client.opened
  t.match(errors, [{ name: 'ClientError', code: 'FSR_CLIENT_CONNECTION', message: /RSV2/ }])
})

t.test('the client finds a server that has been restarted', async (t) => {
  const failed = { count: 0, resolve () {} }
  const attempts = new Promise<void>((resolve) => { failed.resolve = resolve })
  const { server, client } = await pair(t, {
    onError: () => { if (++failed.count === 3) failed.resolve() }
  })
  await server.stop()
  await attempts
  t.notOk(client.isOpen)
  const next = await WireServer.start(t, { port: server.port })
  await next.accept()
  await client.opened
})

t.test('failed attempts are reported to onError only', async (t) => {
  const server = await WireServer.start(t, { refusal: 503 })
  const errors: unknown[] = []
  const client = connectTo(t, server.url, {
    onError (error) { errors.push(error); if (errors.length === 3) client.close() }
  })
  client.onClose((closed) => {
    t.strictSame(closed, { code: 1000, reason: '', willReconnect: false })
  })
  await client.closed
  t.match(
    errors,
    Array(3).fill({
      name: 'ClientError',
      code: 'FSR_CLIENT_CONNECTION',
      message: /^Cannot connect to .*: Unexpected server response: 503$/
    })
  )
})

t.test('a handshake ends after connectTimeout', async (t) => await withClock(async (tick) => {
  class Silent extends EventTarget {
    readonly url = 'ws://localhost/'
    readyState = 0
    close () { this.readyState = 3 }
  }
  const errors: unknown[] = []
  const client = connectTo(t, 'ws://localhost/', {
    WebSocket: Silent,
    connectTimeout: 3_000,
    onError (error) { client.close(); errors.push(error) }
  })
  await tick(0)
  await tick(2_999)
  t.strictSame(errors, [])
  await tick(1)
  t.match(errors, [{
    code: 'FSR_CLIENT_CONNECTION',
    message: 'Cannot connect to ws://localhost/: no answer within 3000 ms'
  }])
}))

t.test('reconnect: false makes one connection', async (t) => {
  const { client, connection } = await pair(t, { reconnect: false })
  connection.socket.close(1012)
  t.strictSame(await client.closed, { code: 1012, reason: '' })
  await pair(t).then(async ({ server }) => {
    await server.stop()
    const other = connectTo(t, server.url, { reconnect: false })
    t.strictSame(await other.closed, { code: 1006, reason: '' }, 'or one attempt')
    const failing = connectTo(t, server.url, {
      reconnect: false,
      token () { throw new Error('no token') }
    })
    t.strictSame(
      await failing.closed,
      { code: 1006, reason: '' },
      'also if there was no token for it'
    )
  })
})

t.test('the app can say for its own close codes, and how often to try', async (t) => {
  const asked: Ended[] = []
  const { server, client, connection } = await pair(t, {
    reconnect: {
      minDelay: 1,
      maxDelay: 2,
      when (ended) {
        asked.push(ended)
        if (ended.code === 4000) return true
        if (ended.attempts === 3) return false
      }
    }
  })
  connection.socket.close(4000, 'come back')
  await server.accept()
  await client.opened
  await server.stop()
  t.strictSame(await client.closed, { code: 1006, reason: '' })
  t.strictSame(asked, [
    { code: 4000, reason: 'come back', attempts: 0 },
    { code: 1006, reason: '', attempts: 1 },
    { code: 1006, reason: '', attempts: 2 },
    { code: 1006, reason: '', attempts: 3 }
  ])
})

t.test('when() that closes the client has the last word', async (t) => {
  const { client, connection } = await pair(t, {
    reconnect: { when () { client.close(4001, 'enough'); return true } },
    onError () { t.fail('nothing is told after close()') }
  })
  const events: unknown[] = []
  client.onClose((closed) => { events.push(closed) })
  connection.socket.terminate()
  t.strictSame(await client.closed, { code: 4001, reason: 'enough' })
  await turns(2)
  t.strictSame(events, [{ code: 4001, reason: 'enough', willReconnect: false }])
})

t.test('when() may reconnect by itself', async (t) => await withClock(async (tick) => {
  const attempts: string[] = []
  const { server, client, connection } = await pair(
    t,
    {
      WebSocket: counting(attempts),
      ping: false,
      reconnect: { when () { client.reconnect(); return true } }
    },
    tick
  )
  connection.socket.terminate()
  const again = await server.accept()
  await client.opened
  await tick(60_000)
  t.equal(attempts.length, 2)
  const ended = once(again.socket, 'close')
  client.close()
  await ended
}))

t.test('when() that throws is told to onError, and the close code decides', async (t) => {
  const errors: unknown[] = []
  const { server, client, connection } = await pair(t, {
    reconnect: { minDelay: 1, when () { throw new Error('of the app') } },
    onError (error) { errors.push(error) }
  })
  connection.socket.close(1012)
  await server.accept()
  await client.opened
  t.match(errors, [{ message: 'of the app' }])
})

// A WebSocket that fails at once, and a clock that tells how long each wait is.
async function delaysOf (
  t: Test,
  random: number,
  reconnect: object,
  count: number
): Promise<number[]> {
  const delays: number[] = []
  const { setTimeout } = globalThis
  t.intercept(Math, 'random', { value: () => random })
  t.intercept(globalThis, 'setTimeout', {
    value: (run: () => void, delay: number) => { delays.push(delay); return setTimeout(run, 0) }
  })
  class Failing extends EventTarget {
    readonly url = 'ws://localhost/'
    readonly readyState = 3
    constructor () {
      super()
      queueMicrotask(() => { this.dispatchEvent(new Event('error')) })
    }

    close () {}
  }
  const client = connect('ws://localhost/', {
    WebSocket: Failing,
    connectTimeout: 77_000,
    reconnect,
    onError: () => {
      if (delays.filter((delay) => delay !== 77_000).length === count) client.close()
    }
  })
  await client.closed
  return delays.filter((delay) => delay !== 77_000).map(Math.round)
}

t.test('the delays are random, and grow up to a bound', async (t) => {
  t.strictSame(await delaysOf(t, 0, {}, 11), [
    1000, 1500, 2250, 3375, 5063, 7594, 11391, 15000, 15000, 15000, 15000
  ])
  t.strictSame(await delaysOf(t, 1, {}, 8), [4000, 6000, 9000, 13500, 20250, 30000, 30000, 30000])
  t.strictSame(await delaysOf(t, 0.5, { minDelay: 10, maxDelay: 100 }, 5), [25, 38, 56, 75, 75])
})

t.test('each address is asked for before its attempt', async (t) => {
  const server = await WireServer.start(t)
  let ticket = 0
  const client = connectTo(t, async () => {
    if (++ticket === 2) throw new Error('no ticket')
    return `http://127.0.0.1:${server.port}/chat?ticket=${ticket}`
  })
  const connection = await server.accept()
  connection.socket.close(1012)
  await server.accept()
  await client.opened
  t.strictSame(server.asked, ['/chat?ticket=1', '/chat?ticket=3'])
})

t.test('close() ends the client at once, also between two attempts, and only once', async (t) => {
  const { client, connection } = await pair(t, {
    reconnect: { when () { t.fail('the client itself has closed') } }
  })
  const events: unknown[] = []
  client.onClose((closed) => { events.push(closed) })
  client.close(4001, 'bye')
  client.close()
  t.strictSame(await client.closed, { code: 4001, reason: 'bye' })
  t.strictSame(await connection.closed, { code: 4001, reason: 'bye' })
  t.strictSame(events, [{ code: 4001, reason: 'bye', willReconnect: false }])

  const attempts: string[] = []
  let asked = 0
  await withClock(async (tick) => {
    const other = await pair(
      t,
      { WebSocket: counting(attempts), token: () => { asked++; return undefined } },
      tick
    )
    const ended = new Promise((resolve) => { other.client.onClose(resolve) })
    other.connection.socket.terminate()
    await ended
    other.client.close()
    t.strictSame(await other.client.closed, { code: 1000, reason: '' })
    await tick(60_000)
  })
  t.equal(attempts.length, 1)
  t.equal(asked, 1, 'no token is asked for any more')
})

t.test('after close() no address or token is asked for, and nothing is reported', async (t) => {
  const fail = (): never => { throw new Error('asked') }
  await withClock(async (tick) => {
    const client = connect(fail, {
      WebSocket,
      token: fail,
      onError (error) { t.fail(String(error)) }
    })
    client.close()
    await tick(60_000)

    // Asked before, and answered after.
    let reject: undefined | ((error: Error) => void)
    const late = connect('ws://127.0.0.1:1/', {
      WebSocket,
      token: async () => await new Promise((_resolve, ...rest) => { [reject] = rest }),
      onError (error) { t.fail(String(error)) }
    })
    await tick(0)
    late.close()
    reject!(new Error('late'))
    await tick(60_000)

    // The error of the attempt before, whose address failed first.
    const told: unknown[] = []
    const twice = connect(fail, {
      WebSocket,
      token: async () => await new Promise((_resolve, ...rest) => { [reject] = rest }),
      onError (error) { told.push(error) }
    })
    await tick(0)
    await turns(1)
    reject!(new Error('late'))
    await turns(1)
    twice.close()
    await tick(60_000)
    t.match(told, [{ message: 'asked' }])
    t.equal(told.length, 1)
  })
})

t.test('a failure of one attempt is not told of another', async (t) => {
  const errors: unknown[] = []
  let attempt = 0
  let reject: undefined | ((error: Error) => void)
  await withClock(async (tick) => {
    let answer: undefined | ((address: string) => void)
    const client = connect(async () => {
      if (++attempt === 1) throw new Error('no address')
      return await new Promise((resolve) => { answer = resolve })
    }, {
      WebSocket,
      token: async () => await new Promise((resolve, ...rest) => {
        if (attempt > 1) resolve(null); else [reject] = rest
      }),
      onError (error) { errors.push(error) }
    })
    t.teardown(() => { client.close() })
    await tick(0)
    await tick(60_000)
    await until(() => answer !== undefined)
    reject!(new Error('late'))
    await turns(1)
    answer!('ws://127.0.0.1:1/')
    await until(() => errors.length > 1)
    client.close()
  })
  t.match(errors, [{ message: 'no address' }, { code: 'FSR_CLIENT_CONNECTION' }])
})

t.test('open and close handlers are called until removed, also if they throw', async (t) => {
  const errors: unknown[] = []
  const { server, client, connection } = await pair(t, { onError (error) { errors.push(error) } })
  const got: string[] = []
  const off = [
    client.onOpen(() => { got.push('open') }),
    client.onClose(() => { got.push('close') })
  ]
  client.onOpen(() => { throw new Error('open') })
  client.onClose(() => { throw new Error('close') })
  client.onOpen(async () => { throw new Error('open, later') })
  client.onClose(async () => { throw new Error('close, later') })
  connection.socket.close(1012)
  const next = await server.accept()
  await client.opened
  for (const end of off) end()
  next.socket.close(1012)
  await server.accept()
  await client.opened
  t.strictSame(got, ['close', 'open'])
  await turns(1)
  t.match(
    errors,
    [
      'close',
      'close, later',
      'open',
      'open, later',
      'close',
      'close, later',
      'open',
      'open, later'
    ].map((message) => ({ message }))
  )
})

t.test('with no global WebSocket one has to be given', async (t) => {
  t.intercept(globalThis, 'WebSocket' as never, { value: undefined })
  const errors: unknown[] = []
  const client = connect('ws://localhost/', { onError (error) { errors.push(error) } })
  await t.rejects(client.opened, {
    code: 'FSR_CLIENT_NO_WEBSOCKET',
    message: /set the option WebSocket/
  })
  t.match(errors, [{ code: 'FSR_CLIENT_NO_WEBSOCKET' }])
})

t.test('the global WebSocket is used if none is given', async (t) => {
  t.intercept(globalThis, 'WebSocket' as never, { value: WebSocket as never })
  const server = await WireServer.start(t)
  const client = connect(server.url)
  const connection = await server.accept()
  client.close()
  await once(connection.socket, 'close')
})

t.test('an invalid address throws; a relative one is relative to the page', async (t) => {
  for (const address of [
    'ftp://localhost/',
    'mailto:a@b',
    'localhost:3000',
    'ws://',
    'http://[',
    'wss:'
  ]) {
    t.throws(() => connect(address, { WebSocket }), TypeError, address)
  }
  const server = await WireServer.start(t)
  t.intercept(globalThis, 'location' as never, {
    value: { href: `http://127.0.0.1:${server.port}/page` } as never
  })
  connectTo(t, '/chat')
  await server.accept()
  t.strictSame(server.asked, ['/chat'])
})

t.test('an address may be a URL, also where a function makes it', async (t) => {
  const server = await WireServer.start(t)
  for (const address of [
    new URL('/chat?a=1', server.url),
    () => new URL('/chat?a=1', server.url)
  ]) {
    connectTo(t, address)
    await server.accept()
  }
  t.strictSame(server.asked, ['/chat?a=1', '/chat?a=1'])
  t.throws(() => connect(new URL('ftp://localhost/'), { WebSocket }), TypeError)
})

t.test('a token in the place of the function that makes one throws', (t) => {
  t.throws(
    () => connect('ws://localhost/', { WebSocket, token: 'a token' as never }),
    { name: 'TypeError', message: 'token must be a function' }
  )
  t.end()
})

t.test('an option that is no number throws, and one that is for ever is for ever', async (t) => {
  for (const name of ['renewBefore', 'timeout', 'connectTimeout', 'buffer'] as const) {
    for (const value of [NaN, -1, '5']) {
      t.throws(
        () => connect('ws://localhost/', { WebSocket, [name]: value as number }),
        { name: 'RangeError', message: new RegExp(name) },
        `${name} ${value}`
      )
    }
  }
  for (const ping of [{ interval: NaN }, { timeout: -1 }]) {
    t.throws(
      () => connect('ws://localhost/', { WebSocket, ping }),
      { name: 'RangeError', message: /^ping/ }
    )
  }
  for (const reconnect of [{ minDelay: NaN }, { maxDelay: -1 }]) {
    t.throws(() => connect('ws://localhost/', { WebSocket, reconnect }), RangeError)
  }
  const timers = t.capture(globalThis, 'setTimeout', setTimeout)
  const { client } = await pair(t, {
    connectTimeout: Infinity,
    timeout: Infinity,
    renewBefore: Infinity,
    buffer: Infinity
  })
  t.ok(client.isOpen)
  const delays = timers().map(({ args }) => Number(args[1]))
  t.ok(delays.includes(2 ** 31 - 1))
  t.ok(delays.every((delay) => delay < 2 ** 31), 'as a timer of more would fire at once')
})

t.test('a close code that a client must not send throws', async (t) => {
  const { client } = await pair(t)
  const wrong = [0, 999, 1001, 1005, 2999, 5000, 3000.5, NaN, Infinity, '3000' as never]
  for (const code of wrong) {
    t.throws(() => { client.close(code) }, RangeError, String(code))
  }
  t.throws(() => { client.close(1000, 'ä'.repeat(62)) }, RangeError)
  t.ok(client.isOpen)
})

t.test('attempts are counted anew after a while', async (t) => await withClock(async (tick) => {
  const attempts: number[] = []
  class Opening extends EventTarget {
    static last: Opening
    readyState = 1
    readonly bufferedAmount = 0
    constructor () {
      super()
      Opening.last = this
      queueMicrotask(() => { this.dispatchEvent(new Event('open')) })
    }

    send () {}
    close () {}
  }
  const client = connectTo(t, 'ws://localhost/', {
    WebSocket: Opening,
    reconnect: {
      minDelay: 1,
      maxDelay: 1,
      when (ended) { attempts.push(ended.attempts); return true }
    }
  })
  await tick(0)
  for (const [open, wait] of [[false, 0], [false, 4_999], [false, 5_000], [true, 0]] as const) {
    await tick(wait)
    Opening.last.dispatchEvent(Object.assign(new Event('close'), { code: 1006, reason: '' }))
    if (open) client.reconnect()
    await tick(1)
  }
  Opening.last.dispatchEvent(Object.assign(new Event('close'), { code: 1006, reason: '' }))
  t.strictSame(attempts, [0, 1, 0, 1, 0])
}))
