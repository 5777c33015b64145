// A renewal in band is handled at once, beside running handlers and waiting messages. Long-lived
// grants are checked again.
import type { Socket } from 'node:net'
import jwt from '@fastify/jwt'
import { Type } from 'typebox'
import t, { type Test } from 'tap'
import type { RateOptions } from '../../src/connection/rate.js'
import { connect, type Client } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, SECRET, tokenOf } from '../support/server.js'
import { traffic } from '../support/traffic.js'
import { until } from '../support/until.js'

const seconds = (): number => Math.floor(Date.now() / 1000)
const renew = (token: string, id: number): string => JSON.stringify({
  type: 'renew',
  data: { token },
  id
})

interface Started {
  readonly client: Client
  /** Its socket at the server. */
  readonly socket: Socket
  readonly clock: TestClock
  /** A token of the same user. */
  readonly token: (roles?: string[], exp?: number, jti?: string) => string
  /** Lets the handler of `wait` end. */
  readonly release: () => void
  readonly handled: string[]
  /** Gives an item to the stream of a message. */
  readonly push: (type: string, item: string) => void
}

interface Options {
  readonly concurrency?: number
  /** Waits before a token is verified. */
  readonly verifies?: (token: string) => Promise<void>
  readonly onOpen?: () => Promise<void>
  readonly rate?: RateOptions
}

async function start (t: Test, {
  concurrency = 1,
  verifies = async () => {},
  onOpen = async () => {},
  rate
}: Options = {}): Promise<Started> {
  const clock = new TestClock()
  const app = await createApp(t, { clock, jwt: false })
  await app.register(jwt, {
    secret: SECRET,
    trusted: async (_request, token) => {
      await verifies((token as { jti?: string }).jti ?? '')
      return true
    }
  })
  const handled: string[] = []
  let release = (): void => {}
  const waiting = new Map<string, (item: string) => void>()
  app.socketRoute('/', {
    schema: {
      in: {
        wait: { reply: Type.String() },
        who: { reply: Type.Array(Type.String()) },
        feed: { stream: Type.String(), isGranted: 'ROLE_FEED' },
        open: { stream: Type.String() },
        picky: {
          stream: Type.String(),
          isGranted: (user: unknown) => {
            if ((user as { roles: string[] }).roles.includes('ROLE_BAD')) {
              throw new Error('of the app')
            }
            return true
          }
        },
        slow: { stream: Type.String(), isGranted: 'ROLE_FEED' },
        hooked: { stream: Type.String(), isGranted: 'ROLE_FEED' },
        touchy: { stream: Type.String(), isGranted: 'ROLE_FEED' }
      },
      out: {}
    },
    onOpen,
    on: {
      async wait () {
        handled.push('wait')
        await new Promise<void>((resolve) => { release = resolve })
        return 'done'
      },
      who (connection) {
        handled.push('who')
        return (connection.user as { roles: string[] }).roles
      },
      feed: () => items('feed'),
      open: () => items('open'),
      picky: () => items('picky'),
      async slow () {
        handled.push('slow')
        await new Promise<void>((resolve) => { release = resolve })
        return items('slow')
      },
      hooked () { handled.push('hooked'); return items('hooked') },
      async touchy (_connection, _data, { signal }) {
        handled.push('touchy')
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => { resolve() })
        })
        throw new Error('told to stop')
      }
    }
  }, {
    isGranted: 'ROLE_USER',
    concurrency,
    rate,
    closeTimeout: 1_000_000,
    preMessage: (_connection, { type }) => type === 'hooked'
      ? new Promise((resolve) => { handled.push('hook'); release = resolve })
      : undefined
  })
  async function * items (type: string): AsyncGenerator<string> {
    try {
      for (;;) yield await new Promise<string>((resolve) => { waiting.set(type, resolve) })
    } finally {
      handled.push(`${type} ended`)
    }
  }
  const token = (
    roles = ['ROLE_USER', 'ROLE_FEED'],
    exp = seconds() + 3_600,
    jti = 'a renewal'
  ): string => tokenOf(app, roles, { exp, jti })
  let socket: undefined | Socket
  app.server.on('connection', (accepted) => { socket = accepted })
  const client = await connect(await listen(app), [
    'bearer',
    token(undefined, Math.floor(clock.unixNow() / 1000) + 60, 'the first')
  ])
  return {
    client,
    socket: socket!,
    clock,
    token,
    release: () => { release() },
    handled,
    push (type, item) { waiting.get(type)!(item) }
  }
}

t.test('a renewal during a handler counts: the connection outlives the old token', async (t) => {
  const { client, clock, token, release, handled } = await start(t)
  client.send('{"type":"wait","id":1}')
  await until(() => handled.length === 1)
  for (let id = 2; id < 100; id++) client.send(`{"type":"who","id":${id}}`)
  client.send(renew(token(), 100))
  t.same(await client.json(), { type: 'reply', id: 100 }, 'before all that waits')
  await clock.advance(120_000)
  t.equal(client.socket.readyState, 1)
  release()
  t.same(await client.json(), { type: 'reply', id: 1, data: 'done' })
  t.same(await client.json(), { type: 'reply', id: 2, data: ['ROLE_USER', 'ROLE_FEED'] })
})

t.test('renewals are taken one at a time, and one that is refused is told so', async (t) => {
  const { client, token, release, handled } = await start(t)
  client.send('{"type":"wait","id":1}')
  await until(() => handled.length === 1)
  client.send(renew('none', 2))
  t.match(await client.json(), { type: 'error', id: 2, code: 'FSR_ERR_TOKEN_INVALID' })
  client.send(renew(token(), 3))
  client.send(renew(token(), 4))
  t.same(await client.json(), { type: 'reply', id: 3 })
  release()
  const rest = [await client.json(), await client.json()]
  t.same(rest.map((message) => (message as { id: number }).id).sort(), [1, 4])
})

t.test('a renewal ends the streams that the new user is not granted, and no others', async (t) => {
  const { client, token, handled, push } = await start(t)
  client.send('{"type":"open","id":1}')
  client.send('{"type":"feed","id":2}')
  client.send(renew(token(), 3))
  t.same(await client.json(), { type: 'reply', id: 3 })
  push('feed', 'still')
  t.match(await client.json(), { type: 'reply', id: 2, data: 'still', more: true })
  client.send(renew(token(['ROLE_USER']), 4))
  const told = [await client.json(), await client.json()].sort(
    (one, other) => (one as { id: number }).id - (other as { id: number }).id
  )
  t.match(told, [
    { type: 'error', id: 2, code: 'FSR_ERR_MESSAGE_NOT_GRANTED' },
    { type: 'reply', id: 4 }
  ])
  // It ends when it has what it awaits.
  push('feed', 'for no client')
  await until(() => handled.includes('feed ended'))
  push('open', 'for the open one')
  t.match(await client.json(), { type: 'reply', id: 1, data: 'for the open one', more: true })
})

t.test('a renewal ends streams not returned yet, and those whose grant fails', async (t) => {
  const { client, token, release, handled } = await start(t, { concurrency: 2 })
  client.send('{"type":"slow","id":1}')
  await until(() => handled.includes('slow'))
  client.send(renew(token(['ROLE_USER']), 2))
  t.same(await client.json(), { type: 'reply', id: 2 })
  release()
  t.match(await client.json(), { type: 'error', id: 1, code: 'FSR_ERR_MESSAGE_NOT_GRANTED' })

  client.send('{"type":"picky","id":3}')
  client.send('{"type":"who","id":4}')
  t.match(await client.json(), { type: 'reply', id: 4 })
  client.send(renew(token(['ROLE_USER', 'ROLE_BAD']), 5))
  const told = [await client.json(), await client.json()].sort(
    (one, other) => (one as { id: number }).id - (other as { id: number }).id
  )
  t.match(told, [
    { type: 'error', id: 3, code: 'FSR_ERR_HANDLER_FAILED' },
    { type: 'reply', id: 5 }
  ])
})

t.test('a renewal aborts handlers and messages granted to the old user only', async (t) => {
  const { client, token, release, handled } = await start(t, { concurrency: 2 })
  client.send('{"type":"hooked","id":1}')
  client.send('{"type":"touchy","id":2}')
  await until(() => handled.includes('hook') && handled.includes('touchy'))
  client.send(renew(token(['ROLE_USER']), 3))
  const told = [await client.json(), await client.json()].sort(
    (one, other) => (one as { id: number }).id - (other as { id: number }).id
  )
  t.match(told, [
    { type: 'error', id: 2, code: 'FSR_ERR_MESSAGE_NOT_GRANTED' },
    { type: 'reply', id: 3 }
  ])
  release()
  t.match(await client.json(), { type: 'error', id: 1, code: 'FSR_ERR_MESSAGE_NOT_GRANTED' })
  t.notOk(handled.includes('hooked'))
})

t.test('a message that only looks like one of the protocol waits for its turn', async (t) => {
  const { client, token, release, handled } = await start(t)
  client.send('{"type":"wait","id":1}')
  await until(() => handled.length === 1)
  client.send('{"type":"who","id":"renew"}')
  client.send('{"type":"reply"')
  client.send('{"type":"cancel","id":7}')
  client.send(renew(token(), 8))
  t.same(await client.json(), { type: 'reply', id: 8 }, 'all of them have been read')
  release()
  t.match(await client.json(), { type: 'reply', id: 1 })
  t.match(await client.json(), { type: 'reply', id: 'renew' })
  t.match(await client.json(), { type: 'error', code: 'FSR_ERR_MESSAGE_NOT_JSON' })
})

t.test('renewals are checked one at a time, beside a running handler', async (t) => {
  const app = await createApp(t)
  let judged = 0
  let most = 0
  app.socketRoute('/', {
    schema: { in: { wait: {} } },
    on: {
      wait: async (_connection, _data, { signal }) => await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => { resolve() })
      })
    }
  }, {
    isGranted: async () => {
      most = Math.max(most, ++judged)
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
      judged--
      return true
    }
  })
  const client = await connect(await listen(app), ['bearer', tokenOf(app)])
  client.send('{"type":"wait"}')
  for (let id = 1; id <= 3; id++) client.send(renew(tokenOf(app), id))
  t.match(await client.json(), { type: 'reply', id: 1 })
  t.equal(most, 1)
  client.socket.terminate()
})

// Checks of tokens that come later than the first, which the test lets end.
function held (): {
  verifies: (jti: string) => Promise<void>
  settle: Array<(error?: Error) => void>
} {
  const settle: Array<(error?: Error) => void> = []
  const verifies = async (jti: string): Promise<void> => {
    if (jti !== 'the first') {
      await new Promise<void>((resolve, reject) => {
        settle.push((error) => { if (error === undefined) resolve(); else reject(error) })
      })
    }
  }
  return { verifies, settle }
}

t.test('a token that expires during a valid renewal does not end the connection', async (t) => {
  const { verifies, settle } = held()
  const { client, clock, token } = await start(t, { verifies })
  client.send(renew(token(), 1))
  await until(() => settle.length === 1)
  await clock.advance(65_000)
  t.equal(client.socket.readyState, 1)
  settle[0]!()
  t.same(await client.json(), { type: 'reply', id: 1 })
  await clock.advance(60_000)
  t.equal(client.socket.readyState, 1)
})

t.test('it does if that is refused, when the last that is under way is', async (t) => {
  const { verifies, settle } = held()
  const { client, clock, token } = await start(t, { verifies, concurrency: 2 })
  client.send(renew(token(), 1))
  client.send(renew(token(), 2))
  await until(() => settle.length === 2)
  await clock.advance(65_000)
  settle[0]!(new Error('not trusted'))
  t.match(await client.json(), { type: 'error', id: 1 })
  t.equal(client.socket.readyState, 1)
  settle[1]!(new Error('not trusted'))
  t.strictSame(await client.closed, { code: 4401, reason: 'token expired' })
})

t.test('it does if the check takes longer than that of an upgrade may', async (t) => {
  const { verifies, settle } = held()
  const { client, clock, token } = await start(t, { verifies })
  client.send(renew(token(), 1))
  await until(() => settle.length === 1)
  await clock.advance(68_000)
  t.equal(client.socket.readyState, 1)
  await clock.advance(5_000)
  t.strictSame(await clock.during(client.closed), { code: 4401, reason: 'token expired' })
})

t.test('a renewal that is good when its connection has ended leaves nothing', async (t) => {
  const { verifies, settle } = held()
  const { client, clock, token } = await start(t, { verifies, concurrency: 2 })
  client.send(renew(token(), 1))
  await until(() => settle.length === 1)
  await client.close()
  settle[0]!()
  await clock.advance(2_000_000)
  t.equal(clock.timers, 0)
})

// Several times what one read of a socket brings, where ws hands over all of it.
const who = (count: number, size: number): string[] => Array.from(
  { length: count },
  (_, id) => JSON.stringify({ type: 'who', id: id + 10, data: 'x'.repeat(size) })
)
const behind = { messages: who(2_000, 150), bytes: who(40, 10_000) }
for (const [what, before] of Object.entries(behind)) {
  t.test(`a renewal in time counts behind many ${what} during a handler`, async (t) => {
    const { client, clock, token, release, handled } = await start(t)
    client.send('{"type":"wait","id":1}')
    await until(() => handled.length === 1)
    for (const text of before) client.send(text)
    client.send(renew(token(), 2))
    await traffic()
    t.equal(client.unread.length, 0, 'it is not read yet')
    await clock.advance(60_000)
    t.same(await client.json(), { type: 'reply', id: 2 })
    await clock.advance(60_000)
    t.equal(client.socket.readyState, 1)
    release()
    t.match(await client.json(), { id: 1 })
    t.match(
      (await client.take(before.length)).map(
        (text) => (JSON.parse(String(text)) as { id: number }).id
      ),
      before.map((_, index) => index + 10),
      'and all is handled, in order'
    )
  })
}

t.test('once the renewal is found, no more waits for the busy handler than usual', async (t) => {
  const { client, socket, clock, token, handled } = await start(t)
  client.send('{"type":"wait","id":1}')
  await until(() => handled.length === 1)
  for (const text of behind.messages) client.send(text)
  client.send(renew(token(), 2))
  await traffic()
  await clock.advance(60_000)
  t.same(await client.json(), { type: 'reply', id: 2 })
  const { bytesRead } = socket
  for (const text of who(400, 10_000)) client.send(text)
  await traffic()
  // While a renewal is looked for, a megabyte may wait.
  const waiting = socket.bytesRead - bytesRead
  t.ok(waiting < 400_000, `${waiting} bytes`)
  client.socket.terminate()
})

t.test('a connection whose renewal is not found within a second is closed', async (t) => {
  const { client, clock, handled } = await start(t)
  client.send('{"type":"wait","id":1}')
  await until(() => handled.length === 1)
  for (const text of behind.messages) client.send(text)
  await clock.advance(60_000)
  t.equal(client.socket.readyState, 1)
  await clock.advance(2_000)
  await clock.during(client.closed)
  t.strictSame(handled, ['wait'])
})

t.test('so it is while onOpen runs, which no message is read before', async (t) => {
  let open = (): void => {}
  const { client, clock, token } = await start(t, {
    onOpen: async () => { await new Promise<void>((resolve) => { open = resolve }) }
  })
  client.send('{"type":"who","id":1}')
  client.send(renew(token(), 2))
  await traffic()
  await clock.advance(60_000)
  t.same(await client.json(), { type: 'reply', id: 2 })
  await clock.advance(60_000)
  open()
  t.match(await client.json(), { id: 1 })
})

t.test('a renewal behind more messages than one turn handles is found too', async (t) => {
  const { client, clock, token } = await start(t, {
    onOpen: async () => { await new Promise(() => {}) }
  })
  for (const text of behind.messages) client.send(text)
  client.send(renew(token(), 2))
  await traffic()
  await clock.advance(60_000)
  t.same(await client.json(), { type: 'reply', id: 2 })
  client.socket.terminate()
})

t.test('so it is behind messages that are over the rate', async (t) => {
  const { client, clock, token } = await start(t, { rate: { messages: 1, per: 200_000 } })
  for (let id = 1; id < 4; id++) client.send(`{"type":"who","id":${id}}`)
  t.match(await client.json(), { id: 1 })
  client.send(renew(token(), 5))
  await traffic()
  await clock.advance(61_000)
  t.same(await client.json(), { type: 'reply', id: 5 })
  await clock.advance(60_000)
  t.equal(client.socket.readyState, 1)
})
