import { fork } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import type { Held } from '../../bench/churn-server.js'
import { connect, type Client } from '../support/client.js'

t.setTimeout(900_000)

const COUNT = 1000
const ROUNDS = 3
// More of them where the engine has happened to compile much: a leak is larger with each.
const MOST_ROUNDS = 6
// Between the first round and the last 2000 connections come and go, each of which holds 7 KB: this
// is 500 bytes of each. What the engine compiles meanwhile is less than half of it.
const TOLERANCE = 1_000_000

t.test('connections that came and went leave nothing behind', async (t) => {
  const server = fork('.build/bench/churn-server.js', { execArgv: ['--expose-gc'] })
  t.teardown(() => { server.kill() })
  const [{ url }] = await once(server, 'message') as [{ url: string }]
  const held = async (open: number): Promise<Held> => {
    server.send(open)
    return (await once(server, 'message'))[0] as Held
  }

  const before = await held(0)
  const rounds: Held[] = []
  const growth = () => rounds.at(-1)!.heapUsed - rounds[0]!.heapUsed
  while (rounds.length < ROUNDS || (growth() >= TOLERANCE && rounds.length < MOST_ROUNDS)) {
    const clients: Client[] = []
    while (clients.length < COUNT) {
      clients.push(
        ...await Promise.all(Array.from({ length: 100 }, (_each, index) => connect(
          `${url}/room-${index}`,
          [],
          { perMessageDeflate: false }
        )))
      )
    }
    for (const client of clients) client.send('hello')
    for (const client of clients) await client.take(2)
    t.match(await held(COUNT), { connections: COUNT, clients: COUNT })
    for (const [index, client] of clients.entries()) {
      if (index % 10 === 0) client.socket.terminate()
      else client.socket.close()
    }
    await Promise.all(clients.map(({ closed }) => closed))
    rounds.push(await held(0))
  }

  t.match(rounds.at(-1), { connections: 0, clients: 0, timers: before.timers, files: before.files })
  t.ok(growth() < TOLERANCE, `the heap grew by ${growth()} bytes`)
})
