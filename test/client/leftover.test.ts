// Anything left by a closed client would keep a process alive.
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { connect } from '../../src/client/index.js'
import { turns, until } from '../support/until.js'
import { tokenOf, withClock } from './clock.js'
import { pair, WireServer } from './wire-server.js'

// The timers that the client has, as long as none of them fires.
function timers (t: Test): Set<unknown> {
  const pending = new Set<unknown>()
  const { setTimeout, clearTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (run: () => void, delay: number) => {
      const timer = setTimeout(run, delay)
      // Timers of ws and Node are not counted.
      if (new Error().stack!.includes('/client/')) pending.add(timer)
      return timer
    }
  })
  t.intercept(globalThis, 'clearTimeout', {
    value: (timer: NodeJS.Timeout) => {
      pending.delete(timer)
      clearTimeout(timer)
    }
  })
  return pending
}

t.test('a client that is closed while it is connected leaves no timer', async (t) => {
  const pending = timers(t)
  const { client, connection } = await pair(t, {
    token: () => tokenOf({ exp: Date.now() / 1_000 + 600 })
  })
  const request = client.request('ask')
  await connection.next()
  t.ok(pending.size >= 3)
  client.close()
  await t.rejects(request)
  await connection.closed
  await until(() => pending.size === 0)
})

t.test('a client that is closed between two attempts leaves no timer', async (t) => {
  const { client, connection } = await pair(t, {
    reconnect: { minDelay: 3_600_000, maxDelay: 3_600_000 }
  })
  const pending = timers(t)
  const ended = new Promise((resolve) => { client.onClose(resolve) })
  connection.socket.terminate()
  await ended
  t.equal(pending.size, 1)
  client.close()
  t.equal(pending.size, 0)
})

t.test('a client that is closed before it is connected leaves no timer', async (t) => {
  const server = await WireServer.start(t)
  const pending = timers(t)
  const asking = connect(server.url, {
    WebSocket,
    token: async () => await new Promise<null>(() => {})
  })
  const connecting = connect(server.url, { WebSocket })
  await turns(1)
  t.ok(pending.size > 0)
  for (const client of [asking, connecting]) client.close()
  await new Promise((resolve) => setImmediate(resolve))
  await until(() => pending.size === 0)
})

t.test('an unanswered close is not awaited', async (t) => await withClock(async (tick) => {
  const server = await WireServer.start(t)
  const sockets: WebSocket[] = []
  class Noted extends WebSocket {
    constructor (url: string) {
      super(url)
      sockets.push(this)
    }
  }
  const client = connect(server.url, { WebSocket: Noted })
  await tick(0)
  const connection = await server.accept()
  await client.opened
  connection.socket.pause()
  const closed = once(sockets[0]!, 'close')
  client.close()
  await tick(1_000)
  await closed
}))
