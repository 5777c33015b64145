// The answer to a message can be a stream: its items come as fast as the client reads, beside other
// messages, until it ends, fails or is cancelled.
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import t, { type Test } from 'tap'
import { ReplyError } from '../../src/index.js'
import { connect, type Client } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { turns, until } from '../support/until.js'

interface Seen {
  readonly client: Client
  readonly ended: string[]
  readonly errors: unknown[]
  pulled: number
}

async function numbers (t: Test): Promise<Seen> {
  const app = await createApp(t)
  const seen: Omit<Seen, 'client'> = { ended: [], errors: [], pulled: 0 }
  app.socketRoute('/numbers', {
    schema: {
      in: {
        count: { data: Type.Integer(), stream: Type.Object({ n: Type.Integer() }) },
        forever: { stream: Type.Integer() },
        silent: { stream: Type.Integer() },
        mute: { stream: Type.Integer() },
        fail: { data: Type.String(), stream: Type.Integer() },
        wrong: { stream: Type.Object({ n: Type.Integer() }) },
        none: { stream: Type.Integer() },
        large: { stream: Type.String() },
        node: { stream: Type.Any() },
        ping: { reply: Type.Literal('pong') }
      }
    },
    on: {
      async * count (_connection, to) {
        for (let n = 1; n <= (to as number); n++) yield { n, secret: true }
      },
      async * forever () {
        try {
          for (let n = 0; ; n++) {
            seen.pulled = n
            yield n
            await new Promise(setImmediate)
          }
        } finally {
          seen.ended.push('forever')
        }
      },
      async * silent (_connection, _data, { signal }) {
        try {
          yield 1
          await once(signal, 'abort')
        } finally {
          seen.ended.push('silent')
        }
      },
      mute: () => mute(() => { seen.ended.push('mute') }),
      async * fail (_connection, how) {
        yield 1
        throw how === 'told' ? new ReplyError('NO_MORE', 'There is no more') : new Error('a secret')
      },
      async * wrong () { yield {} as { n: number } },
      none: () => 1 as never,
      async * large () {
        for (let n = 0; n < 200; n++) {
          seen.pulled = n
          yield 'x'.repeat(60_000)
        }
      },
      node: () => Readable.from([1, 2]),
      ping: () => 'pong' as const
    },
    onError (_connection, error) { seen.errors.push(error) }
  }, { streamsPerConnection: 3 })
  const client = await connect(`${await listen(app)}/numbers`)
  return Object.assign(seen, { client })
}

// A stream that never has an item.
function mute (onReturn: () => void): AsyncIterable<number> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => {}),
      async return () {
        onReturn()
        return { done: true, value: undefined }
      }
    })
  }
}

// A stream that calls `release` when it is stopped.
function releasedBy (release: () => Promise<never>): AsyncIterable<number> {
  let isFirst = true
  return {
    [Symbol.asyncIterator]: () => ({
      async next () {
        if (!isFirst) return await new Promise<never>(() => {})
        isFirst = false
        return { done: false, value: 1 }
      },
      return: release
    })
  }
}

interface Line {
  readonly level: number
  readonly msg: string
  readonly err?: { readonly message: string }
}

async function loggingApp (t: Test): Promise<{ app: FastifyInstance, errorLines (): Line[] }> {
  const lines: Line[] = []
  const stream = { write (line: string) { lines.push(JSON.parse(line)) } }
  const app = await createApp(t, { fastify: { logger: { level: 'debug', stream } } })
  return { app, errorLines: () => lines.filter(({ err }) => err !== undefined) }
}

const tell = (client: Client, message: object): void => { client.send(JSON.stringify(message)) }

t.test('each item is a reply with more to come, and the last reply ends it', async (t) => {
  const { client } = await numbers(t)
  tell(client, { type: 'count', data: 2, id: 1 })
  t.same(await client.take(3), [
    '{"type":"reply","id":1,"data":{"n":1},"more":true}',
    '{"type":"reply","id":1,"data":{"n":2},"more":true}',
    '{"type":"reply","id":1}'
  ])
  tell(client, { type: 'count', data: 0, id: 1 })
  t.same(
    await client.json(),
    { type: 'reply', id: 1 },
    'also where there is none, and the id can be used again'
  )
  tell(client, { type: 'node', id: 'a' })
  t.same(
    (await client.take(3)).map((text) => JSON.parse(String(text)).data),
    [1, 2, undefined],
    'a stream of Node is one too'
  )
})

t.test('other messages are handled meanwhile', async (t) => {
  const { client, ended } = await numbers(t)
  tell(client, { type: 'silent', id: 1 })
  t.same(await client.json(), { type: 'reply', id: 1, data: 1, more: true })
  tell(client, { type: 'ping', id: 2 })
  t.same(await client.json(), { type: 'reply', id: 2, data: 'pong' })
  t.same(ended, [])
})

t.test('a stream that fails ends with an error', async (t) => {
  const { client, errors } = await numbers(t)
  tell(client, { type: 'fail', data: 'untold', id: 1 })
  t.same(await client.json(), { type: 'reply', id: 1, data: 1, more: true })
  t.same(await client.json(), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_HANDLER_FAILED',
    message: 'The message could not be handled'
  })
  await until(() => errors.length === 1)
  t.match(errors, [{ message: 'a secret' }])
  tell(client, { type: 'fail', data: 'told', id: 1 })
  t.same(
    (await client.take(2)).at(-1),
    '{"type":"error","id":1,"code":"NO_MORE","message":"There is no more"}'
  )
  tell(client, { type: 'wrong', id: 1 })
  t.match(
    await client.json(),
    { type: 'error', id: 1, code: 'FSR_ERR_HANDLER_FAILED' },
    'so does one with an item that the contract does not have'
  )
  tell(client, { type: 'none', id: 1 })
  t.match(
    await client.json(),
    { type: 'error', id: 1, code: 'FSR_ERR_HANDLER_FAILED' },
    'and what is no stream'
  )
  t.match(errors.at(-1), { code: 'FSR_ERR_RETURN_INVALID' })
})

t.test('cancelled, it stops, and nothing more is sent of it', async (t) => {
  for (const type of ['forever', 'silent', 'mute']) {
    const { client, ended } = await numbers(t)
    tell(client, { type, id: 1 })
    if (type !== 'mute') await client.next()
    tell(client, { type: 'cancel', id: 1 })
    await until(() => ended.includes(type))
    tell(client, { type: 'ping', id: 1 })
    for (;;) {
      const { data, more } = await client.json() as { data: unknown, more?: boolean }
      if (more === true) continue
      t.equal(data, 'pong', 'there is no last reply')
      break
    }
    t.same(client.unread, [])
  }
})

t.test('cancelled before there is a stream, or before its turn, it is let go of', async (t) => {
  const app = await createApp(t)
  const ended: string[] = []
  const on = {
    late: async (_connection: unknown, _data: unknown, { signal }: { signal: AbortSignal }) => {
      await once(signal, 'abort')
      return mute(() => { ended.push('late') })
    },
    wait: async (_connection: unknown, _data: unknown, { signal }: { signal: AbortSignal }) => {
      await once(signal, 'abort')
    },
    mute: () => mute(() => { ended.push('mute') })
  }
  app.socketRoute(
    '/late',
    {
      schema: {
        in: { late: { stream: Type.Integer() }, wait: {}, mute: { stream: Type.Integer() } }
      },
      on
    },
    { streamsPerConnection: 1 }
  )
  const client = await connect(`${await listen(app)}/late`)
  tell(client, { type: 'late', id: 1 })
  tell(client, { type: 'cancel', id: 1 })
  await until(() => ended.includes('late'))
  tell(client, { type: 'wait', id: 1 })
  tell(client, { type: 'mute', id: 2 })
  tell(client, { type: 'cancel', id: 2 })
  tell(client, { type: 'cancel', id: 1 })
  tell(client, { type: 'none', id: 3 })
  t.match(await client.json(), { type: 'error', id: 3 }, 'and there is no answer')
  t.same(ended, ['late'], 'a message cancelled before its turn was not begun')
})

t.test('it stops when the connection ends, also where it waits for what never comes', async (t) => {
  for (const type of ['forever', 'silent', 'mute']) {
    const { client, ended } = await numbers(t)
    tell(client, { type, id: 1 })
    if (type !== 'mute') await client.next()
    else {
      tell(client, { type: 'ping', id: 2 })
      await client.next()
    }
    client.socket.terminate()
    await until(() => ended.includes(type))
    t.pass(type)
  }
})

t.test('a client that does not read holds the stream up', async (t) => {
  const seen = await numbers(t)
  seen.client.socket.pause()
  tell(seen.client, { type: 'large', id: 1 })
  await until(() => seen.pulled > 0)
  let before = -1
  while (before !== seen.pulled) {
    before = seen.pulled
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
  }
  t.ok(seen.pulled < 199, `after ${seen.pulled} of 200`)
  seen.client.socket.resume()
  for (let count = 0; count < 200; count++) await seen.client.next()
  t.same(await seen.client.json(), { type: 'reply', id: 1 })
})

t.test('a stream without an id, and one too many, are refused', async (t) => {
  const { client } = await numbers(t)
  tell(client, { type: 'silent' })
  t.match(await client.json(), { type: 'error', code: 'FSR_ERR_MESSAGE_INVALID' })
  for (const id of [1, 2, 3]) {
    tell(client, { type: 'silent', id })
    await client.next()
  }
  tell(client, { type: 'silent', id: 4 })
  t.match(await client.json(), { type: 'error', id: 4, code: 'FSR_ERR_STREAMS_TOO_MANY' })
  tell(client, { type: 'silent', id: 1 })
  t.match(await client.json(), { type: 'error', id: 1, code: 'FSR_ERR_STREAMS_TOO_MANY' })
  tell(client, { type: 'cancel', id: 2 })
  tell(client, { type: 'silent', id: 4 })
  t.match(await client.json(), { type: 'reply', id: 4 })
})

t.test('a connection may have sixteen streams, if nothing else is said', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    schema: { in: { numbers: { stream: Type.Integer() } } },
    on: {
      async * numbers (_connection, _data, { signal }) {
        yield 1
        await new Promise((resolve) => { signal.addEventListener('abort', resolve) })
      }
    }
  })
  const client = await connect(await listen(app))
  for (let id = 1; id <= 17; id++) {
    tell(client, { type: 'numbers', id })
    t.match(
      await client.json(),
      id <= 16 ? { type: 'reply', id } : { type: 'error', id, code: 'FSR_ERR_STREAMS_TOO_MANY' }
    )
  }
})

t.test('cancelled streams that have not ended yet still count', async (t) => {
  const app = await createApp(t)
  const ends: Array<() => void> = []
  app.socketRoute('/slow', {
    schema: { in: { slow: { stream: Type.Integer() }, later: { stream: Type.Integer() } } },
    on: {
      async * slow () {
        yield await new Promise<number>((resolve) => { ends.push(() => { resolve(1) }) })
      },
      later: async () => await new Promise<AsyncIterable<number>>((resolve) => {
        ends.push(() => { resolve((async function * () { yield 1 })()) })
      })
    }
  }, { streamsPerConnection: 2, concurrency: 10 })
  const client = await connect(`${await listen(app)}/slow`)
  for (const type of ['slow', 'later']) {
    for (let id = 1; id <= 4; id++) {
      tell(client, { type, id })
      tell(client, { type: 'cancel', id })
    }
    tell(client, { type, id: 5 })
    t.match(await client.json(), { type: 'error', id: 5, code: 'FSR_ERR_STREAMS_TOO_MANY' })
    t.equal(ends.length, 4)
    for (const end of ends.splice(0)) end()
    await turns(3)
    tell(client, { type, id: 5 })
    tell(client, { type, id: 6 })
    tell(client, { type, id: 7 })
    t.match(
      await client.json(),
      { type: 'error', id: 7, code: 'FSR_ERR_STREAMS_TOO_MANY' },
      'those that a handler has not returned yet count'
    )
    t.equal(ends.length, 2)
    for (const end of ends.splice(0)) end()
    t.equal((await client.take(4)).length, 4)
  }
})

t.test('a cancelled stream may end with an AbortError, and counts no more', async (t) => {
  const { app, errorLines } = await loggingApp(t)
  const errors: unknown[] = []
  let isRunning = false
  app.socketRoute('/wait', {
    schema: { in: { wait: { stream: Type.Integer() } } },
    on: {
      async * wait (_connection, _data, { signal }) {
        isRunning = true
        await setTimeout(60_000, undefined, { signal })
        yield 1
      }
    },
    onError (_connection, error) { errors.push(error) }
  }, { streamsPerConnection: 1 })
  const client = await connect(`${await listen(app)}/wait`)
  for (let id = 1; id <= 5; id++) {
    isRunning = false
    tell(client, { type: 'wait', id })
    await until(() => isRunning)
    tell(client, { type: 'cancel', id })
    tell(client, { type: 'nothing', id: 'marker' })
    t.match(await client.json(), { type: 'error', id: 'marker' })
  }
  t.match(errors, Array(5).fill({ code: 'FSR_ERR_TYPE_UNKNOWN' }))
  await client.close()
  await turns(3)
  t.same(errorLines(), [])
})

t.test('an error of a cancelled stream, or of a closed connection, is logged', async (t) => {
  const { app, errorLines } = await loggingApp(t)
  const errors: unknown[] = []
  const failing = new Error('still locked')
  const stream = { stream: Type.Integer() }
  app.socketRoute('/locks', {
    schema: {
      in: { rejecting: stream, throwing: stream, cleaning: stream, waiting: stream, node: stream }
    },
    on: {
      rejecting: () => releasedBy(async () => { throw failing }),
      throwing: () => releasedBy(() => { throw failing }),
      async * cleaning () {
        try {
          for (;;) {
            yield 1
            await new Promise(setImmediate)
          }
        } finally {
          // eslint-disable-next-line no-unsafe-finally
          throw failing
        }
      },
      async * waiting (_connection, _data, { signal }) {
        yield 1
        await once(signal, 'abort')
        throw failing
      },
      node: () => new Readable({
        objectMode: true,
        read () { this.push(1) },
        destroy (_error, callback) { callback(failing) }
      })
    },
    onError (_connection, error) { errors.push(error) }
  })
  const url = `${await listen(app)}/locks`
  for (const type of ['rejecting', 'throwing', 'cleaning', 'waiting', 'node']) {
    for (const isCancelled of [true, false]) {
      const before = errorLines().length
      const client = await connect(url)
      tell(client, { type, id: 1 })
      t.match(await client.json(), { type: 'reply', id: 1, data: 1, more: true })
      if (isCancelled) tell(client, { type: 'cancel', id: 1 })
      else client.socket.terminate()
      await until(() => errorLines().length > before)
      const expected = {
        level: 50,
        msg: 'a stream failed when it was stopped',
        err: { message: 'still locked' }
      }
      t.match(
        errorLines().slice(before),
        [expected],
        `${type}, ${isCancelled ? 'cancelled' : 'left'}`
      )
      await client.close()
    }
  }
  t.same(errors, [])
})
