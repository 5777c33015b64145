import { createServer, connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Liveness } from '../../src/client/liveness.js'
import { createApp, listen } from '../support/server.js'
import { withClock } from './clock.js'
import { connectTo, pair, tell, WireServer } from './wire-server.js'

// The calls that Liveness makes on a connection, recorded with the time.
function liveness (interval = 20_000, timeout = 10_000) {
  const log: string[] = []
  const state = { buffered: 0 }
  const it = new Liveness({
    interval,
    timeout,
    ping () { log.push(`${Date.now()} ping`) },
    buffered: () => state.buffered,
    dead () { log.push(`${Date.now()} dead`); it.stop() }
  })
  return { it, log, state }
}

t.test('a silent connection ends in time', async (t) => await withClock(async (tick) => {
  const { it, log } = liveness()
  it.start()
  for (let seconds = 0; seconds < 60; seconds++) await tick(1_000)
  t.strictSame(log, ['10000 ping', '20000 dead'])
}))

t.test('a connection with data is not asked', async (t) => await withClock(async (tick) => {
  const { it, log } = liveness()
  it.start()
  for (let seconds = 0; seconds < 60; seconds += 5) {
    await tick(5_000)
    it.heard()
  }
  t.strictSame(log, [])
  it.stop()
  await tick(60_000)
  t.strictSame(log, [])
}))

t.test('an answer is good for half an interval', async (t) => await withClock(async (tick) => {
  const { it, log } = liveness()
  it.start()
  for (let seconds = 0; seconds < 60; seconds++) {
    const before = log.length
    await tick(1_000)
    if (log.length > before) it.heard()
  }
  t.strictSame(log, ['10000 ping', '25000 ping', '40000 ping', '55000 ping'])
  it.stop()
}))

t.test('data that arrived during a stall is read before the server is judged', async (t) => {
  const timers: Array<() => void> = []
  t.intercept(globalThis, 'setTimeout', { value: (run: () => void) => { timers.push(run) } })
  const { it, log } = liveness()
  it.start()
  const pass = () => { timers.shift()!() }
  pass()
  t.match(log, [/ping/])
  // Late, and before what has come meanwhile.
  pass()
  it.heard()
  pass()
  t.equal(log.length, 1)
  pass()
  t.match(log, [/ping/, /ping/], 'the next question is another')
  pass()
  // The last of its timers is late.
  pass()
  it.heard()
  pass()
  pass()
  t.match(log, [/ping/, /ping/, /ping/], 'and the next as well')
  t.equal(log.length, 3)
})

t.test('a slow upload is a sign of life', async (t) => await withClock(async (tick) => {
  const { it, log, state } = liveness()
  state.buffered = 1_000
  it.start()
  for (let seconds = 0; seconds < 60; seconds++) {
    state.buffered -= 10
    await tick(1_000)
  }
  t.strictSame(log, [])
  for (let seconds = 0; seconds < 30; seconds++) await tick(1_000)
  t.strictSame(log, ['70000 ping', '80000 dead'], 'as long as the network takes something')
}))

t.test('check() asks at once, for four seconds', async (t) => await withClock(async (tick) => {
  const { it, log } = liveness()
  it.start()
  await tick(1_000)
  it.check()
  for (let seconds = 0; seconds < 10; seconds++) {
    await tick(1_000)
    // A second check waits for the answer to the first question.
    if (seconds < 3) it.check()
  }
  t.strictSame(log, ['1000 ping', '5000 dead'])
}))

t.test('without pings nothing is asked', async (t) => await withClock(async (tick) => {
  const { it, log } = liveness(Infinity)
  it.start()
  it.check()
  await tick(3_600_000)
  t.strictSame(log, [])
}))

// A link to a server that can be cut so that neither side is told.
async function link (t: Test, port: number) {
  const pairs: Array<[Socket, Socket]> = []
  const server = createServer((near) => {
    const far = connectTcp(port, '127.0.0.1')
    near.pipe(far).pipe(near)
    for (const socket of [near, far]) socket.on('error', () => {})
    pairs.push([near, far])
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const drop = () => { for (const pair of pairs) for (const socket of pair) socket.destroy() }
  t.teardown(() => { server.close(); drop() })
  return {
    port: (server.address() as AddressInfo).port,
    cut () {
      for (const [near, far] of pairs) {
        near.unpipe(far)
        far.unpipe(near)
        for (const socket of [near, far]) socket.removeAllListeners('end').resume()
      }
    }
  }
}

t.test('a listening client leaves a dead connection', async (t) => await withClock(async (tick) => {
  const app = await createApp(t, { plugin: { heartbeat: false } })
  const route = app.socketRoute('/chat', { schema: { out: { news: { type: 'string' } } }, on: {} })
  const { port, cut } = await link(t, Number(new URL(await listen(app)).port))
  const client = connectTo(t, `ws://127.0.0.1:${port}/chat`, { reconnect: { minDelay: 1_000 } })
  const news = client.events('news')[Symbol.asyncIterator]()
  await tick(0)
  await client.opened
  const first = news.next()
  route.broadcast('news', 'before')
  t.strictSame((await first).value, 'before')
  cut()
  const closed: unknown[] = []
  client.onClose((event) => { closed.push(event) })
  let seconds = 0
  for (; closed.length === 0; seconds++) await tick(1_000)
  t.ok(seconds <= 30, `after ${seconds} s`)
  t.strictSame(closed, [{ code: 1006, reason: '', willReconnect: true }])
  await tick(60_000)
  await client.opened
  const next = news.next()
  route.broadcast('news', 'after')
  t.equal((await next).value, 'after')
}))

t.test('a late answer makes the client send a ping', async (t) => await withClock(async (tick) => {
  const { server, client, connection } = await pair(t, {}, tick)
  const failed = client.request('ask', undefined, { timeout: 3_000 }).catch(
    (error: { code: string }) => error.code
  )
  await tick(3_000)
  await tick(1)
  t.strictSame(await connection.take(3), [
    '{"type":"ask","id":1}',
    '{"type":"cancel","id":1}',
    '{"type":"alive","id":0}'
  ])
  t.equal(await failed, 'FSR_CLIENT_TIMEOUT')
  tell(connection, { type: 'reply', id: 0 })
  tell(connection, {
    type: 'error',
    id: 0,
    code: 'FSR_ERR_TYPE_UNKNOWN',
    message: 'from a server that does not know the question'
  })
  const answered = client.request('ask')
  await connection.next()
  tell(connection, { type: 'reply', id: 2 })
  await answered
  t.notOk(server.hasMore)
}))

t.test('without a connection nothing is asked', async (t) => await withClock(async (tick) => {
  const server = await WireServer.start(t, { refusal: 503 })
  const client = connectTo(t, server.url, {
    reconnect: { minDelay: 60_000, maxDelay: 60_000 },
    onError () {}
  })
  const rejected = t.rejects(client.request('ask', undefined, { timeout: 3_000 }), {
    code: 'FSR_CLIENT_TIMEOUT'
  })
  await tick(0)
  await tick(3_000)
  await tick(1)
  await rejected
}))
