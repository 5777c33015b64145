import t from 'tap'
import type { SocketController } from '../../src/index.js'
import { connect, frame, handshake, type Client } from '../support/client.js'
import { faultServer, raw, rawFrame, rawOpen, type FaultServer } from '../support/faults.js'
import { turns, until } from '../support/until.js'

// Joins rooms, speaks to them, and says what it was told to all.
const chat: SocketController = {
  async onOpen (connection) {
    await connection.join('all')
    await turns(1)
    return 'hello'
  },
  async onMessage (connection, message, clients) {
    const [verb, room = 'all'] = message.text.split(' ')
    if (verb === 'join') await connection.join(room)
    else if (verb === 'leave') await connection.leave(room)
    else if (verb === 'say') connection.to(room).send({ said: room })
    else if (verb === 'shout') {
      clients.broadcast({ shouted: 'x'.repeat(1_000) }, {
        except: connection
      })
    } else if (verb === 'close') connection.close(4000)
    else if (verb === 'cut') connection.terminate()
    else if (verb === 'wait') await turns(3)
    else if (verb === 'throw') throw new Error('as it was told')
    return { done: verb }
  },
  onError: () => ({ type: 'error' }),
  onClose: async () => { await turns(1); return 'goodbye' }
}

// The ways in which a client comes and goes, each as one cycle.
const ways: Array<(server: FaultServer, client: () => Promise<Client>) => Promise<unknown>> = [
  async (_server, client) => await (await client()).close(1000),
  async (_server, client) => {
    const { socket, closed } = await client()
    socket.terminate()
    await closed
  },
  async (_server, client) => { const one = await client(); one.send('close'); await one.closed },
  async (_server, client) => { const one = await client(); one.send('cut'); await one.closed },
  async (_server, client) => {
    const one = await client()
    for (const text of [
      'join red', 'say red', 'shout', 'throw', 'leave red', 'wait', 'join blue'
    ]) {
      one.send(text)
    }
    await one.take(3)
    await one.close(4001)
  },
  async (_server, client) => {
    const one = await client()
    one.send('wait')
    one.send('join red')
    one.socket.terminate()
    await one.closed
  },
  async ({ url }) => { (await raw(url)).socket.resetAndDestroy() },
  async ({ url }) => {
    const { socket } = await raw(url)
    socket.write(handshake('/').slice(0, 50))
    socket.resetAndDestroy()
  },
  async ({ url }) => {
    const { socket } = await raw(url)
    socket.write(Buffer.concat([Buffer.from(handshake('/')), frame('join red')]))
    await turns(2)
    socket.resetAndDestroy()
  },
  async ({ url }) => {
    const { socket, closed } = await rawOpen(url)
    socket.write(frame('shout'))
    socket.resetAndDestroy()
    await closed
  },
  async ({ url }) => {
    const { socket, closed } = await rawOpen(url)
    socket.write(rawFrame({ payload: 'a', isFinal: false }))
    socket.end()
    await closed
  },
  async ({ url }) => {
    const { socket, closed } = await rawOpen(url)
    socket.write(rawFrame({ opcode: 0x3 }))
    socket.end()
    await closed
  },
  async ({ url }) => {
    const { socket, closed } = await raw(url)
    socket.end(handshake('/nowhere'))
    await closed
  },
  async ({ url }) => {
    const { socket, closed } = await raw(url)
    socket.end('rubbish\r\n\r\n')
    await closed
  }
]

t.test('hundreds of clients that come and go in every way leave nothing', async (t) => {
  const server = await faultServer(t, { controller: chat })
  const client = async () => await connect(server.url)
  const stays = await client()
  const cycle = async (worker: number) => {
    for (let turn = 0; turn < 40; turn++) await ways[(worker + turn) % ways.length]!(server, client)
  }
  await Promise.all(Array.from({ length: 14 }, (_item, worker) => cycle(worker)))
  // A client that stayed has heard the others.
  t.equal(await stays.next(), 'hello')
  // Connections that were cut while busy are noticed by a ping.
  await server.clock.during(until(() => server.route.clients.size === 1))
  t.ok(stays.unread.some((message) => String(message).includes('shouted')))
  t.equal(server.route.to('all').local.size, 1)
  for (const room of ['red', 'blue']) t.equal(server.route.to(room).local.size, 0, room)
  await stays.close()
  t.ok(server.opened > 300, `${server.opened}`)
  await server.unharmed()
  t.equal(server.route.to('all').local.size, 0)
  await server.gone()
})

t.test('caps count right after hundreds of clients have come and gone', async (t) => {
  const server = await faultServer(t, { plugin: { connections: { perIp: 10 } } })
  const cycle = async (worker: number) => {
    for (let turn = 0; turn < 20; turn++) {
      const { socket, closed } = await raw(server.url)
      socket.write(handshake('/'))
      await turns((worker + turn) % 5)
      if (turn % 2 === 0) socket.resetAndDestroy()
      else socket.end()
      await closed
    }
  }
  await Promise.all(Array.from({ length: 20 }, (_item, worker) => cycle(worker)))
  await server.unharmed()
  const clients = []
  for (let count = 0; count < 10; count++) clients.push(await connect(server.url))
  const { socket, closed } = await raw(server.url)
  socket.write(handshake('/'))
  t.match(await closed, /^HTTP\/1\.1 429 /)
  for (const client of clients) await client.close()
  await server.unharmed()
  await server.gone()
})

t.test('an app that stops in the middle of it all stops, and leaves nothing', async (t) => {
  const server = await faultServer(t, { controller: chat })
  const client = async () => await connect(server.url)
  const stopped = new AbortController()
  // A client that comes too late is rejected, which does not matter here.
  const cycle = async (worker: number) => {
    for (let turn = 0; !stopped.signal.aborted; turn++) {
      await ways[(worker + turn) % ways.length]!(server, client).catch(() => turns(1))
    }
  }
  const cycles = Array.from({ length: 14 }, (_item, worker) => cycle(worker))
  await until(() => server.opened > 100)
  await server.app.close()
  stopped.abort()
  await Promise.all(cycles)
  await server.gone()
})

t.test('apps that start and stop, with clients, leave nothing', async (t) => {
  for (let round = 0; round < 10; round++) {
    const server = await faultServer(t, { controller: chat })
    const clients = [await connect(server.url), await connect(server.url)]
    await server.app.close()
    for (const { closed } of clients) t.equal((await closed).code, 1012)
    await server.gone()
  }
})
