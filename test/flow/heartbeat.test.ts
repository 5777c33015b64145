import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { Heartbeat } from '../../src/connection/heartbeat.js'
import { connect, frame, handshake, tcp } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { turns, until } from '../support/until.js'

const heartbeat = { interval: 50, timeout: 50 }

// P33
t.test('a client that answers pings stays, one that is silent is cut, and onClose has 1006', async (t) => {
  const app = await createApp(t, { plugin: { heartbeat } })
  const ended = new Promise<[string, number]>((resolve) => {
    app.socketRoute('/', {
      onOpen: () => 'open',
      onClose: (connection, { code }) => { resolve([connection.query.name as string, code]) }
    })
  })
  const url = await listen(app)
  const silent = await tcp(`${url}/`)
  silent.write(handshake('/?name=silent'))
  await once(silent, 'data')
  const client = await connect(`${url}/?name=alive`)
  let pings = 0
  const pinged = new Promise<void>((resolve) => { client.socket.on('ping', () => { if (++pings === 4) resolve() }) })
  t.strictSame(await ended, ['silent', 1006])
  await pinged
  t.equal(client.socket.readyState, 1)
  silent.destroy()
})

t.test('any traffic counts as life', async (t) => {
  const app = await createApp(t, { plugin: { heartbeat } })
  let closes = 0
  app.socketRoute('/', { onOpen: () => 'open', onClose: () => { closes++ } })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/'))
  await once(socket, 'data')
  // It never sends a pong.
  let pings = 0
  await new Promise<void>((resolve) => {
    socket.on('data', (data: Buffer) => {
      if (data[0] !== 0x89) return
      socket.write(frame('alive'))
      if (++pings === 5) resolve()
    })
  })
  t.equal(closes, 0)
  socket.destroy()
})

t.test('a client whose handler is busy, so that nothing is read from it, is not taken for silent', async (t) => {
  const app = await createApp(t, { plugin: { heartbeat } })
  let release: undefined | (() => void)
  app.socketRoute('/', { onOpen: async () => { await new Promise<void>((resolve) => { release = resolve }); return 'done' } })
  const client = await connect(await listen(app))
  let pings = 0
  await new Promise<void>((resolve) => { client.socket.on('ping', () => { if (++pings === 5) resolve() }) })
  release!()
  t.equal(await client.next(), 'done')
})

t.test('a client that takes a long time to read what is sent is alive', async (t) => {
  const app = await createApp(t, { plugin: { heartbeat } })
  const count = 40
  let closes = 0
  app.socketRoute('/', { async * onOpen () { for (let index = 0; index < count; index++) yield Buffer.alloc(500_000) }, onClose: () => { closes++ } })
  const client = await connect(await listen(app))
  // A piece at a time.
  let read = 0
  await new Promise<void>((resolve) => {
    client.socket.on('message', async () => {
      if (++read === count) resolve()
      client.socket.pause()
      await turns(20)
      client.socket.resume()
    })
  })
  t.equal(closes, 0)
})

// One that never says anything.
async function mute (url: string): Promise<{ socket: Socket, closed: Promise<unknown> }> {
  const socket = await tcp(url)
  const closed = new Promise((resolve) => { socket.once('close', resolve) })
  socket.on('error', () => {}).write(handshake('/'))
  await once(socket, 'data')
  return { socket, closed }
}

t.test('a client that is gone is found although others send to it', async (t) => {
  const app = await createApp(t, { plugin: { heartbeat } })
  const route = app.socketRoute('/', { onOpen: () => 'open' })
  const { socket, closed } = await mute(await listen(app))
  socket.resume()
  const timer = setInterval(() => { route.broadcast('x') }, 10)
  await closed
  clearInterval(timer)
  await until(() => route.clients.size === 0)
  t.pass('it is cut')
})

t.test('a client that does not read its own replies, for ever, is found too', async (t) => {
  const app = await createApp(t, { plugin: { heartbeat } })
  const route = app.socketRoute('/', { onMessage: () => Buffer.alloc(500_000) })
  const { socket } = await mute(await listen(app))
  socket.pause()
  socket.write(Buffer.concat(Array<Buffer>(100).fill(frame('more'))))
  await until(() => route.clients.size === 0)
  t.pass('it is cut')
  socket.destroy()
})

t.test('a timeout longer than the interval cuts nobody who answers in time', async (t) => {
  const beat = new Heartbeat(25, 200)
  let received = 0
  let silent = 0
  let pings = 0
  const item = {
    get traffic () { return { received, sent: 0, isWaiting: false, isPaused: false } },
    // The answer takes longer than the interval.
    ping () { pings++; setTimeout(() => { received++ }, 60) },
    silent () { silent++ }
  }
  beat.add(item)
  await until(() => pings >= 3 || silent > 0)
  beat.delete(item)
  t.equal(silent, 0)
})

t.test('heartbeat: false sends no pings, and a route can have its own', async (t) => {
  const app = await createApp(t, { plugin: { heartbeat: false } })
  app.socketRoute('/none', { onOpen: () => 'open' })
  app.socketRoute('/own', { onOpen: () => 'open' }, { heartbeat: { interval: 30 } })
  app.socketRoute('/timeout', { onOpen: () => 'open' }, { heartbeat: { timeout: 1_000 } })
  for (const given of [5, null, { interval: 0 }, { every: 5 }]) {
    t.throws(() => app.socketRoute('/x', { onOpen: () => {} }, { heartbeat: given as object }), { code: 'FSR_ERR_OPTION_INVALID' })
  }
  const url = await listen(app)
  let pings = 0
  const none = await connect(`${url}/none`)
  none.socket.on('ping', () => { pings++ })
  const own = await connect(`${url}/own`)
  for (let count = 0; count < 3; count++) await once(own.socket, 'ping')
  t.equal(pings, 0)
})

// Invariant 7
t.test('any number of connections has one timer, which ends with them', async (t) => {
  const timers: unknown[] = []
  const { setInterval: original } = globalThis
  globalThis.setInterval = ((...args: Parameters<typeof original>) => { const timer = original(...args); timers.push(timer); return timer }) as typeof original
  t.teardown(() => { globalThis.setInterval = original })
  const beat = new Heartbeat(100, 100)
  const items = Array.from({ length: 1000 }, () => ({ traffic: undefined, ping () {}, silent () {} }))
  for (const item of items) beat.add(item)
  t.equal(timers.length, 1)
  for (const item of items) beat.delete(item)
  t.equal((timers[0] as { _destroyed: boolean })._destroyed, true)
  beat.delete(items[0]!)
})
