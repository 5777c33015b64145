import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { connect } from '../../src/client/index.js'
import { turns } from '../support/until.js'
import { connectTo, pair, tell, WireServer } from './wire-server.js'

// The events of a page, which Node does not have.
function page (t: Test) {
  const listeners = new Set<unknown>()
  class Target extends EventTarget {
    override addEventListener (...given: Parameters<EventTarget['addEventListener']>): void {
      listeners.add(given[1])
      super.addEventListener(...given)
    }

    override removeEventListener (...given: Parameters<EventTarget['removeEventListener']>): void {
      listeners.delete(given[1])
      super.removeEventListener(...given)
    }
  }
  const document = Object.assign(new Target(), { visibilityState: 'visible' })
  const window = new Target()
  t.intercept(globalThis, 'document' as never, { value: document as never })
  for (const name of ['addEventListener', 'removeEventListener'] as const) {
    t.intercept(globalThis, name as never, { value: window[name].bind(window) as never })
  }
  return {
    listeners,
    online () { window.dispatchEvent(new Event('online')) },
    show (visibilityState: string) {
      Object.assign(document, { visibilityState }).dispatchEvent(new Event('visibilitychange'))
    }
  }
}

// Counts what connects, as a connection that is under way is not seen at the server yet.
function counted () {
  const sockets: WebSocket[] = []
  class Counted extends WebSocket {
    constructor (url: string, protocols?: string | string[]) {
      super(url, protocols)
      sockets.push(this)
    }
  }
  return { sockets, WebSocket: Counted }
}

const patient = { reconnect: { minDelay: 3_600_000, maxDelay: 3_600_000 } }

t.test('a waiting client connects at once when the network or the page is back', async (t) => {
  const { online, show } = page(t)
  const { sockets, WebSocket } = counted()
  const { server, client, connection } = await pair(t, { ...patient, WebSocket })
  for (const [at, wake] of [online, () => { show('visible') }].entries()) {
    const ended = new Promise((resolve) => { client.onClose(resolve) })
    if (at === 0) connection.socket.terminate()
    else (await server.accept()).socket.terminate()
    await ended
    show('hidden')
    await turns(2)
    t.equal(sockets.length, at + 1, 'a page that is hidden waits')
    wake()
    await client.opened
    t.equal(sockets.length, at + 2)
  }
  await server.accept()
})

t.test('a client that is connected asks for a sign of life then, and stays', async (t) => {
  const { online } = page(t)
  const { server, client, connection } = await pair(t)
  online()
  t.strictSame(await connection.json(), { type: 'alive', id: 0 })
  tell(connection, { type: 'reply', id: 0 })
  client.send('say')
  t.strictSame(await connection.json(), { type: 'say' })
  t.notOk(server.hasMore)
})

t.test('a client that connects, or is closed, hears nothing of it', async (t) => {
  const { online, show } = page(t)
  let count = 0
  class Waiting extends EventTarget {
    readonly readyState = 0
    constructor () {
      super()
      count++
    }

    close () {}
  }
  const client = connect('ws://localhost/', { WebSocket: Waiting })
  await turns(1)
  online()
  await turns(1)
  t.equal(count, 1)
  client.close()
  online()
  show('visible')
  await turns(1)
  t.equal(count, 1)
})

t.test('a client listens to the page once, until it is closed', async (t) => {
  const { listeners } = page(t)
  class Failing extends EventTarget {
    readonly readyState = 3
    constructor () {
      super()
      queueMicrotask(() => { this.dispatchEvent(new Event('error')) })
    }

    close () {}
  }
  // As where it cannot plan another attempt, and begins anew when it is needed.
  t.intercept(Math, 'random', { value: () => { throw new Error('not here') } })
  const client = connect('ws://localhost/', { WebSocket: Failing, onError () {} })
  for (let count = 0; count < 3; count++) {
    await turns(1)
    client.send('say')
    t.equal(listeners.size, 2)
  }
  client.close()
  t.equal(listeners.size, 0)
})

t.test('reconnect() makes another connection in the place of the one that there is', async (t) => {
  const { server, client, connection } = await pair(t, patient)
  const events: unknown[] = []
  client.onClose((closed) => { events.push(closed) })
  const request = client.request('ask')
  client.reconnect()
  await t.rejects(request, { code: 'FSR_CLIENT_DISCONNECTED' })
  t.notOk(client.isOpen)
  await client.opened
  await server.accept()
  t.strictSame(events, [{ code: 1000, reason: '', willReconnect: true }])
  t.strictSame(await connection.closed, { code: 1000, reason: '' })
})

t.test('reconnect() does not wait for the next attempt, nor for the one under way', async (t) => {
  const { server, client, connection } = await pair(t, patient)
  const ended = new Promise((resolve) => { client.onClose(resolve) })
  connection.socket.terminate()
  await ended
  client.reconnect()
  await client.opened
  await server.accept()

  const { url } = server
  let attempts = 0
  const { sockets, WebSocket } = counted()
  const tokens: Array<(token: null) => void> = []
  const slow = connectTo(t, url, {
    WebSocket,
    token: async () => {
      attempts++
      return await new Promise<null>((resolve) => { tokens.push(resolve) })
    }
  })
  await turns(1)
  slow.reconnect()
  await turns(1)
  t.equal(attempts, 2)
  for (const give of tokens) give(null)
  await slow.opened
  await server.accept()
  await turns(2)
  t.equal(sockets.length, 1, 'the first attempt has come to nothing')
})

t.test('reconnect() ends a handshake that hangs', async (t) => {
  const server = await WireServer.start(t)
  const sockets: WebSocket[] = []
  class Counting extends WebSocket {
    constructor (url: string) {
      super(sockets.length === 0 ? 'ws://127.0.0.1:9/' : url)
      sockets.push(this)
    }
  }
  const client = connectTo(t, server.url, { WebSocket: Counting })
  await Promise.resolve().then(() => {}).then(() => {})
  client.reconnect()
  await client.opened
  await server.accept()
})

t.test('a client that is closed does not come back', async (t) => {
  const { client } = await pair(t)
  client.close()
  t.throws(() => { client.reconnect() }, { code: 'FSR_CLIENT_CLOSED' })
})
