import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { Heartbeat } from '../../src/connection/heartbeat.js'
import { connect, frame, handshake, tcp } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'
import { until } from '../support/until.js'

const heartbeat = { interval: 1_000, timeout: 500 }
const INTERVAL = 1_000

// P33
t.test('a client that answers pings stays; a silent one is cut, with 1006', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { heartbeat } })
  const ended: unknown[] = []
  app.socketRoute('/', {
    onOpen: () => 'open',
    onClose: (connection, { code }) => { ended.push([connection.query.name, code]) }
  })
  const url = await listen(app)
  const silent = await tcp(`${url}/`)
  silent.write(handshake('/?name=silent'))
  await once(silent, 'data')
  const client = await connect(`${url}/?name=alive`)
  let pings = 0
  client.socket.on('ping', () => { pings++ })
  await clock.advance(4 * INTERVAL)
  t.strictSame(ended, [['silent', 1006]])
  t.equal(pings, 4)
  t.equal(client.socket.readyState, 1)
  silent.destroy()
})

t.test('any traffic counts as life', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { heartbeat } })
  let closes = 0
  app.socketRoute('/', { onOpen: () => 'open', onClose: () => { closes++ } })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/'))
  await once(socket, 'data')
  // It never sends a pong.
  let pings = 0
  socket.on('data', (data: Buffer) => {
    if (data[0] !== 0x89) return
    pings++
    socket.write(frame('alive'))
  })
  await clock.advance(5 * INTERVAL)
  t.strictSame([pings, closes], [5, 0])
  socket.destroy()
})

t.test('a client whose handler is busy is not taken for silent', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { heartbeat } })
  let release: undefined | (() => void)
  app.socketRoute('/', {
    onOpen: async () => {
      await new Promise<void>((resolve) => { release = resolve })
      return 'done'
    }
  })
  const client = await connect(await listen(app))
  let pings = 0
  client.socket.on('ping', () => { pings++ })
  // Longer than what excuses a client that is not read from for its own doing.
  await clock.advance(10 * INTERVAL)
  t.equal(pings, 10)
  release!()
  t.equal(await client.next(), 'done')
})

t.test('a client that TCP holds back behind a busy handler is not taken for silent', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { heartbeat } })
  let release: undefined | (() => void)
  let handled = 0
  app.socketRoute('/', {
    onMessage: async () => {
      handled++
      await new Promise<void>((resolve) => { release = resolve })
    }
  })
  const client = await connect(await listen(app))
  // Its pongs wait behind them, and are not read.
  for (let count = 0; count < 40; count++) client.send(Buffer.alloc(50_000))
  await until(() => handled === 1)
  await clock.advance(10 * INTERVAL)
  t.equal(client.socket.readyState, 1)
  await until(() => { release!(); return handled === 40 })
})

t.test('a client that takes a long time to read what is sent is alive', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { heartbeat } })
  const count = 80
  let closes = 0
  app.socketRoute('/', {
    async * onOpen () { for (let index = 0; index < count; index++) yield Buffer.alloc(500_000) },
    onClose: () => { closes++ }
  })
  const client = await connect(await listen(app))
  // A piece at a time, of more than the kernel keeps for a client.
  for (let read = 0; read < count; read += 20) {
    client.socket.resume()
    await client.take(20)
    client.socket.pause()
    if (read < count / 2) await clock.advance(INTERVAL)
  }
  t.equal(closes, 0)
})

// A client that never sends anything.
async function mute (url: string): Promise<Socket> {
  const socket = await tcp(url)
  socket.on('error', () => {}).write(handshake('/'))
  await once(socket, 'data')
  return socket
}

t.test('a client that is gone is found although others send to it', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { heartbeat } })
  const route = app.socketRoute('/', { onOpen: () => 'open' })
  const socket = await mute(await listen(app))
  socket.resume()
  clock.every(100, () => { route.broadcast('x') })
  await clock.advance(4 * INTERVAL)
  t.equal(route.clients.size, 1, 'it may be busy reading')
  await clock.advance(2 * INTERVAL)
  t.equal(route.clients.size, 0)
})

t.test('a client that does not read its own replies, for ever, is found too', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { heartbeat } })
  const route = app.socketRoute('/', { onMessage: () => Buffer.alloc(500_000) })
  const socket = await mute(await listen(app))
  socket.pause()
  socket.write(Buffer.concat(Array<Buffer>(100).fill(frame('more'))))
  await clock.advance(8 * INTERVAL)
  t.equal(route.clients.size, 0)
  socket.destroy()
})

t.test('a timeout longer than the interval cuts no client that answers in time', async (t) => {
  const clock = new TestClock()
  const beat = new Heartbeat(clock, 1_000, 8_000)
  let received = 0
  let silent = 0
  let pings = 0
  const item = {
    get traffic () { return { received, sent: 0, waiting: 0, isPaused: false } },
    // The answer takes longer than the interval.
    ping () { pings++; clock.after(2_400, () => { received++ }) },
    onHeartbeatTimeout () { silent++ }
  }
  beat.add(item)
  await clock.advance(10_000)
  beat.delete(item)
  t.strictSame([pings, silent], [4, 0], 'and is asked again when it has')
})

t.test('heartbeat: false sends no pings, and a route can have its own', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { heartbeat: false } })
  app.socketRoute('/none', { onOpen: () => 'open' })
  app.socketRoute('/own', { onOpen: () => 'open' }, { heartbeat: { interval: 1_000 } })
  app.socketRoute('/timeout', { onOpen: () => 'open' }, { heartbeat: { timeout: 1_000 } })
  for (const given of [5, null, { interval: 0 }, { every: 5 }]) {
    t.throws(
      () => app.socketRoute('/x', { onOpen: () => {} }, { heartbeat: given as object }),
      { code: 'FSR_ERR_OPTION_INVALID' }
    )
  }
  const url = await listen(app)
  const pings = { none: 0, own: 0 }
  for (const name of ['none', 'own'] as const) {
    (await connect(`${url}/${name}`)).socket.on('ping', () => { pings[name]++ })
  }
  await clock.advance(3 * INTERVAL)
  t.strictSame(pings, { none: 0, own: 3 })
})

// A client that reads and answers as a test tells it.
function fake (clock: TestClock, timeout: number) {
  const beat = new Heartbeat(clock, 1_000, timeout)
  const now = { received: 0, sent: 0, waiting: 0, isPaused: false }
  const item = {
    now,
    pings: 0,
    isCut: false,
    get traffic () { return { ...now } },
    ping () { item.pings++ },
    onHeartbeatTimeout () {
      item.isCut = true
      beat.delete(item)
    }
  }
  beat.add(item)
  return item
}

t.test('a client read from again at its deadline has its messages of before', async (t) => {
  const clock = new TestClock()
  const item = fake(clock, 500)
  await clock.advance(1_000)
  // Read in the turn after that in which all others are read.
  clock.after(499, () => { setImmediate(() => { setImmediate(() => { item.now.received++ }) }) })
  clock.stall(500)
  await clock.advance(100)
  t.notOk(item.isCut)
  await clock.advance(2_000)
  t.strictSame([item.pings, item.isCut], [2, true], 'and is cut after the next ping')
})

t.test('a ping that comes between the deadline and its judgement begins a new time', async (t) => {
  const clock = new TestClock()
  let beat = () => {}
  clock.every = (_milliseconds, run) => { beat = run; return {} }
  const item = fake(clock, 500)
  const ask = () => { for (let slice = 0; slice < 25; slice++) beat() }
  const { now } = item
  let looks = 0
  Object.defineProperty(item, 'traffic', {
    get () {
      // Before it is looked at again.
      if (clock.now() === 500 && ++looks === 1) setImmediate(() => { now.received++; ask() })
      return { ...now }
    }
  })
  ask()
  await clock.advance(500)
  t.strictSame([item.pings, item.isCut], [2, false])
  await clock.advance(500)
  t.ok(item.isCut)
})

t.test('a process that was held up longer than the timeout pings once more', async (t) => {
  for (const pass of ['stall', 'sleep'] as const) {
    const clock = new TestClock()
    const item = fake(clock, 500)
    await clock.advance(1_000)
    clock[pass](3_600_000)
    await clock.advance(1_200)
    t.strictSame([item.pings, item.isCut], [2, false], pass)
    await clock.advance(1_000)
    t.ok(item.isCut, 'a client that is silent then is cut')
  }
})

t.test('a machine that is held up all the time finds who is silent all the same', async (t) => {
  const clock = new TestClock()
  const item = fake(clock, 500)
  let rounds = 0
  while (!item.isCut && ++rounds < 1_000) {
    clock.stall(5_000)
    await clock.advance(1)
  }
  t.equal(item.pings, 5)
})

t.test('data that waits for a moment only, as over TLS, is no sign of life', async (t) => {
  for (const waited of [0, 1_000_000]) {
    const clock = new TestClock()
    const item = fake(clock, 500)
    const traffic = item.now
    traffic.waiting = waited
    item.ping = () => {
      traffic.waiting += 2
      setImmediate(() => { traffic.waiting -= 2; traffic.sent += 2 })
    }
    await clock.advance(1_600)
    t.equal(item.isCut, waited === 0, `behind ${waited} bytes`)
  }
})

// Invariant 7
t.test('any number of connections has one timer, which ends with them', async (t) => {
  const clock = new TestClock()
  const beat = new Heartbeat(clock, 1_000, 1_000)
  const items = Array.from({ length: 1000 }, () => ({
    traffic: undefined,
    ping () {},
    onHeartbeatTimeout () {}
  }))
  for (const item of items) beat.add(item)
  t.equal(clock.timers, 1)
  for (const item of items) beat.delete(item)
  t.equal(clock.timers, 0)
  beat.delete(items[0]!)
})

t.test('the excuse for a silence starts anew after a sign of life', async (t) => {
  const clock = new TestClock()
  const beat = new Heartbeat(clock, INTERVAL, 500)
  let received = 0
  let silent = 0
  let pings = 0
  const item = {
    get traffic () { return { received, sent: 0, waiting: 0, isPaused: true } },
    ping () { pings++ },
    onHeartbeatTimeout () { silent++; beat.delete(item) }
  }
  beat.add(item)
  for (let round = 0; round < 3; round++) {
    await clock.advance(4 * INTERVAL)
    received++
    await clock.advance(INTERVAL)
  }
  t.strictSame([pings, silent], [15, 0])
  await clock.advance(6 * INTERVAL)
  t.equal(silent, 1)
})
