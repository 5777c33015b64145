import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import t from 'tap'
import { connect, handshake, tcp, type Client } from '../support/client.js'

t.setTimeout(600_000)

const CLIENTS = 1000
const EACH = 20

async function many<T> (count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = []
  while (made.length < count) {
    made.push(
      ...await Promise.all(Array.from({ length: Math.min(100, count - made.length) }, make))
    )
  }
  return made
}

t.test('on SIGTERM 1000 clients get a goodbye, and the deadline ends the process', async (t) => {
  const child = spawn(process.execPath, ['.build/test/support/stop-server.js'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const exited = once(child, 'exit') as Promise<[null | number, null | NodeJS.Signals]>
  t.teardown(() => { child.kill('SIGKILL') })
  const [address] = await once(createInterface(child.stdout), 'line') as [string]
  const url = address.replace('http', 'ws')

  const sockets: Socket[] = []
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  const raw = async (text: string): Promise<void> => {
    const socket = await tcp(url)
    sockets.push(socket)
    socket.on('error', () => {})
    if (text !== '') socket.write(text)
  }
  const clients: Client[] = await many(CLIENTS - 2 * EACH, () => connect(url, [], {
    perMessageDeflate: false
  }))
  // They read what they are sent, and answer nothing.
  await many(EACH, () => raw(handshake('/')))
  for (const mute of sockets) {
    await once(mute, 'data')
    mute.resume()
  }
  await many(EACH, () => raw(handshake('/deaf')))
  await many(EACH, () => raw(''))
  await many(EACH, () => raw('GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: webs'))
  await many(EACH, () => raw(handshake('/pending')))
  await many(EACH, () => raw('GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHo'))
  while (await (await fetch(`${address}/stuck`)).json() !== EACH) { /* ask again */ }

  child.kill('SIGTERM')
  const closed = await Promise.all(clients.map(async (client) => await client.closed))
  // A resource that keeps a process alive keeps it for good.
  const [code, signal] = await exited
  t.strictSame({ code, signal }, { code: 0, signal: null })
  t.equal(
    clients.filter(({ unread }) => unread.join() === 'open,goodbye').length,
    clients.length,
    'goodbyes'
  )
  t.equal(
    closed.filter(({ code, reason }) => code === 1012 && reason === 'service restart').length,
    clients.length,
    'close codes'
  )
})
