import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { createApp, type Chat } from '../../examples/typed/app.js'
import { connect, type SocketClient } from '../../src/client/index.js'
import { startExample } from '../support/example.js'
import { listen } from '../support/server.js'

async function start (t: Test): Promise<string> {
  const app = await createApp()
  t.teardown(() => app.close())
  return `${await listen(app)}/chat`
}

function visitor (t: Test, url: string, name: string): SocketClient<Chat> {
  const client = connect<Chat>(url, { WebSocket })
  t.teardown(() => { client.close() })
  client.on('nickname', () => name)
  return client
}

t.test('clients with the type of the route join, talk, and see what was said before', async (t) => {
  const url = await start(t)
  const [alice, bob] = [visitor(t, url, 'alice'), visitor(t, url, 'bob')]
  t.same(await alice.request('join', { room: 'lobby' }), { members: 1 })
  t.same(await bob.request('join', { room: 'lobby' }), { members: 2 })
  const heard = new Promise((resolve) => { bob.on('line', resolve) })
  alice.send('say', { text: 'hello' })
  t.same(await heard, { from: 'alice', text: 'hello' })
  const earlier: object[] = []
  for await (const line of bob.stream('history', { room: 'lobby' })) earlier.push(line)
  t.same(earlier, [{ from: 'alice', text: 'hello' }])
})

t.test('data outside the contract is rejected with its place', async (t) => {
  const client = visitor(t, await start(t), 'alice')
  await t.rejects(client.request('join', { room: '' }), {
    code: 'FSR_ERR_DATA_INVALID',
    path: '/room'
  })
})

t.test('a room has so many seats', async (t) => {
  const url = await start(t)
  for (let count = 0; count < 10; count++) {
    await visitor(t, url, `visitor ${count}`).request('join', { room: 'full' })
  }
  await t.rejects(visitor(t, url, 'late').request('join', { room: 'full' }), {
    code: 'ROOM_FULL',
    path: '/room',
    message: 'There is no seat left'
  })
  const joins = Array.from(
    { length: 15 },
    async (_, count) => await visitor(t, url, `visitor ${count}`).request('join', { room: 'rush' })
  )
  t.equal(
    (await Promise.allSettled(joins)).filter(({ status }) => status === 'fulfilled').length,
    10,
    'also if all come at once'
  )
})

t.test('the history of a bounded number of rooms is kept', async (t) => {
  const client = visitor(t, await start(t), 'alice')
  for (let room = 0; room <= 100; room++) {
    await client.request('join', { room: String(room) })
    await client.request('say', { text: `in ${room}` })
  }
  const kept = async (room: string): Promise<number> => {
    let count = 0
    for await (const _ of client.stream('history', { room })) count++
    return count
  }
  t.equal(await kept('0'), 0)
  t.equal(await kept('1'), 1)
})

t.test('the programs of the example speak to each other', async (t) => {
  const { url, stop } = await startExample(t, 'typed')
  const run = (name: string): ChildProcess & { next (text: string): Promise<void> } => {
    const child = spawn(
      process.execPath,
      ['.build/examples/typed/client.js', `${url.replace('http', 'ws')}/chat`, name],
      { stdio: ['pipe', 'pipe', 'inherit'] }
    )
    t.teardown(() => { child.kill() })
    const lines: string[] = []
    const waiting = new Set<() => void>()
    createInterface(child.stdout!).on('line', (line) => {
      lines.push(line)
      for (const look of waiting) look()
    })
    return Object.assign(child, {
      next: (text: string) => new Promise<void>((resolve) => {
        const look = (): void => { if (lines.includes(text)) resolve() }
        waiting.add(look)
        look()
      })
    })
  }
  const alice = run('alice')
  await alice.next('lobby has 1 members')
  alice.stdin!.write('hello\n')
  alice.stdin!.write('are you there?\n')
  const bob = run('bob')
  await bob.next('lobby has 2 members')
  bob.stdin!.write('I am\n')
  await alice.next('bob: I am')
  await bob.next('alice: hello (earlier)')
  bob.stdin!.end()
  const [code] = await once(bob, 'exit') as [number]
  t.equal(code, 0)
  t.equal(await stop(), 0)
})
