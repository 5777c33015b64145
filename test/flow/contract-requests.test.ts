// Requests of the server to a client or a room: each ends, and nothing is kept of it.
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Type } from 'typebox'
import t, { type Test } from 'tap'
import { ReplyError, type RequestOptions, type WsConnection } from '../../src/index.js'
import { connect, type Client } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'
import { traffic } from '../support/traffic.js'
import { turns, until } from '../support/until.js'

type Asking = WsConnection<{ Events: { ask: { data: { question: string }, reply: boolean } } }>

interface Started {
  readonly clock: TestClock
  readonly client: Client
  readonly connection: Asking
  readonly handled: string[]
  readonly url: string
}

async function start (t: Test): Promise<Started> {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  const handled: string[] = []
  const connections: unknown[] = []
  app.socketRoute('/chat', {
    schema: {
      in: { confirm: { reply: Type.Boolean() }, wait: {}, note: { data: Type.String() } },
      out: {
        ask: { data: Type.Object({ question: Type.String() }), reply: Type.Boolean() },
        tell: Type.String()
      }
    },
    on: {
      confirm: async (connection) =>
        await connection.request('ask', { question: 'Sure?' }) as boolean,
      wait: async (_connection, _data, { signal }) => await new Promise((resolve) => {
        const stop = (): void => { handled.push('aborted'); resolve() }
        if (signal.aborted) stop()
        else signal.addEventListener('abort', stop)
      }),
      note (_connection, text) { handled.push(text as string) }
    },
    onOpen (connection) { connections.push(connection) }
  })
  const url = `${await listen(app)}/chat`
  const client = await connect(url)
  return { clock, client, connection: connections[0] as Asking, handled, url }
}

const tell = (client: Client, message: object): void => { client.send(JSON.stringify(message)) }
const ask = (connection: Asking, options?: RequestOptions): Promise<boolean> =>
  connection.request('ask', { question: 'Sure?' }, options)

t.test('the client is asked, and its answer is validated', async (t) => {
  const { client, connection } = await start(t)
  const yes = ask(connection)
  const { id, ...rest } = await client.json() as { id: number }
  t.same(rest, { type: 'ask', data: { question: 'Sure?' } })
  tell(client, { type: 'reply', id, data: true })
  t.equal(await yes, true)

  const wrong = ask(connection)
  tell(client, {
    type: 'reply',
    id: (await client.json() as { id: number }).id,
    data: { no: 'boolean' }
  })
  await t.rejects(wrong, { code: 'FSR_ERR_ANSWER_INVALID', validation: [{ keyword: 'type' }] })

  const refused = ask(connection)
  tell(client, {
    type: 'error',
    id: (await client.json() as { id: number }).id,
    code: 'BUSY',
    message: 'Not now'
  })
  await t.rejects(refused, {
    code: 'FSR_ERR_REQUEST_REFUSED',
    reason: { code: 'BUSY', message: 'Not now' }
  })

  const odd = ask(connection)
  tell(client, {
    type: 'error',
    id: (await client.json() as { id: number }).id,
    code: {},
    message: 'x'.repeat(1_000)
  })
  t.same(
    (await odd.then(() => {}, (error: unknown) => error) as { reason: unknown }).reason,
    { code: '', message: 'x'.repeat(256) },
    'it is cut to a readable length'
  )
})

t.test('a handler can ask its own client, though one message is handled at a time', async (t) => {
  const { client, handled } = await start(t)
  tell(client, { type: 'confirm', id: 1 })
  const { id } = await client.json() as { id: number }
  tell(client, { type: 'note', data: 'later' })
  tell(client, { type: 'reply', id, data: true })
  t.same(await client.json(), { type: 'reply', id: 1, data: true })
  await until(() => handled.includes('later'))
  t.pass('what came before the answer is handled after it')

  tell(client, { type: 'confirm' })
  tell(client, { type: 'reply', id: (await client.json() as { id: number }).id, data: true })
  tell(client, { type: 'note', data: 'last', id: 2 })
  t.same(await client.json(), { type: 'reply', id: 2 }, 'also for a message that wants no answer')
})

t.test('a wrong answer is not counted as a wrong message of the requester', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/chat', {
    schema: { in: { poll: {} }, out: { vote: { reply: Type.Boolean() } } },
    on: {
      async poll (connection, _data, { clients }) {
        for (const client of clients) if (client !== connection) await client.request('vote')
      }
    }
  }, { invalidMessages: 'close' })
  const url = `${await listen(app)}/chat`
  const [asking, asked] = [await connect(url), await connect(url)]
  tell(asking, { type: 'poll', id: 1 })
  tell(asked, { type: 'reply', id: (await asked.json() as { id: number }).id, data: 'what?' })
  t.same(await asking.json(), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_HANDLER_FAILED',
    message: 'The message could not be handled'
  })
})

t.test('a client that does not answer in time is sent a cancellation', async (t) => {
  const { clock, client, connection } = await start(t)
  await t.rejects(clock.during(ask(connection)), { code: 'FSR_ERR_REQUEST_TIMEOUT' })
  const [{ id }, cancel] = [await client.json() as { id: number }, await client.json()]
  t.same(cancel, { type: 'cancel', id })
  tell(client, { type: 'reply', id, data: true })
  tell(client, { type: 'error', id, code: 'LATE', message: '' })
  tell(client, { type: 'reply', id: 'made up', data: true })
  tell(client, { type: 'reply' })
  tell(client, { type: 'wait', id: 5 })
  tell(client, { type: 'cancel', id: 5 })
  tell(client, { type: 'note', data: 'after', id: 6 })
  t.same(await client.json(), { type: 'reply', id: 6 }, 'none of these is anything')
})

t.test('a signal ends the wait with its reason', async (t) => {
  const { client, connection } = await start(t)
  const controller = new AbortController()
  const asked = ask(connection, { signal: controller.signal })
  const { id } = await client.json() as { id: number }
  controller.abort(new Error('not needed any more'))
  await t.rejects(asked, { message: 'not needed any more' })
  t.same(await client.json(), { type: 'cancel', id })
  await t.rejects(ask(connection, { signal: AbortSignal.abort(new Error('never')) }), {
    message: 'never'
  })
  tell(client, { type: 'note', data: 'next', id: 1 })
  t.same(await client.json(), { type: 'reply', id: 1 }, 'no request is sent')
})

t.test('any number of requests may share a signal, without a warning of Node', async (t) => {
  const { client, connection } = await start(t)
  const warnings: Error[] = []
  const warned = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))
  const { signal, abort } = ((controller) => ({
    signal: controller.signal,
    abort: () => { controller.abort(new Error('all')) }
  }))(new AbortController())
  const answered = ask(connection, { signal })
  tell(client, { type: 'reply', id: (await client.json() as { id: number }).id, data: true })
  t.equal(await answered, true)
  const asked = Array.from({ length: 20 }, () => ask(connection, { signal }))
  const ids = (await client.take(20)).map((text) => (JSON.parse(String(text)) as { id: number }).id)
  abort()
  for (const each of asked) await t.rejects(each, { message: 'all' })
  t.same(
    (await client.take(20)).map((text) => JSON.parse(String(text)) as unknown),
    ids.map((id) => ({ type: 'cancel', id })),
    'each is told once'
  )
  await turns(2)
  t.strictSame(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning'), [])
})

t.test('options of a request are checked before anything is sent', async (t) => {
  const { client, connection } = await start(t)
  await connection.join('a')
  const room = [...connection.rooms].length
  t.equal(room, 1)
  const slips = [
    { timeOut: 5 },
    { timeout: 0 },
    { timeout: -1 },
    { timeout: NaN },
    { timeout: '5' },
    { signal: {} },
    { signal: { aborted: false } },
    { signal: new AbortController() },
    { signal: null },
    null,
    5000
  ]
  for (const slip of slips) {
    await t.rejects(
      ask(connection, slip as object),
      { code: 'FSR_ERR_OPTION_INVALID' },
      JSON.stringify(slip)
    )
  }
  tell(client, { type: 'note', data: 'next', id: 1 })
  t.same(await client.json(), { type: 'reply', id: 1 }, 'nothing was asked')
})

t.test('options in the place of data that the contract lacks are an error', async (t) => {
  const app = await createApp(t)
  const feed = app.socketRoute('/', {
    schema: { out: { bye: null, ask: { reply: Type.Boolean() } } },
    on: {},
    onOpen: async (connection) => { await connection.join('a') }
  })
  const client = await connect(await listen(app))
  await until(() => feed.clients.size === 1)
  const [connection] = feed.clients
  const slip = { except: connection } as never
  t.throws(() => { feed.broadcast('bye', slip) }, { code: 'FSR_ERR_EVENT_INVALID' })
  t.throws(() => { feed.to('a').send('bye', slip) }, { code: 'FSR_ERR_EVENT_INVALID' })
  await t.rejects(feed.to('a').local.request('ask', { timeout: 5 } as never), {
    code: 'FSR_ERR_EVENT_INVALID'
  })
  await t.rejects(feed.to('a').local.request('ask', undefined, { timout: 5 } as never), {
    code: 'FSR_ERR_OPTION_INVALID'
  })
  feed.broadcast('bye', undefined, { except: [] })
  t.same(await client.json(), { type: 'bye' })
})

t.test('the end of the connection ends the wait', async (t) => {
  const { client, connection } = await start(t)
  const asked = ask(connection)
  await client.next()
  client.socket.terminate()
  await t.rejects(asked, { code: 'FSR_ERR_REQUEST_ENDED' })
  await t.rejects(
    ask(connection),
    { code: 'FSR_ERR_REQUEST_ENDED' },
    'and who asks then does not wait'
  )
  t.notOk(connection.pendingRequests.isBusy)

  const { client: quiet, connection: unasked } = await start(t)
  const ended = new Promise((resolve) => { unasked.signal.addEventListener('abort', resolve) })
  quiet.socket.terminate()
  await ended
  await t.rejects(ask(unasked), { code: 'FSR_ERR_REQUEST_ENDED' }, 'also one that was never asked')
})

t.test('nothing is kept of a client that never answers', async (t) => {
  const { clock, connection } = await start(t)
  await clock.during(Promise.allSettled(Array.from({ length: 1_000 }, () => ask(connection))))
  t.notOk(connection.pendingRequests.isBusy)
})

t.test('an invalid request is not sent', async (t) => {
  const { connection } = await start(t)
  await t.rejects(connection.request('none' as 'ask', { question: '' }), {
    code: 'FSR_ERR_EVENT_UNKNOWN'
  })
  await t.rejects(connection.request('ask', {} as { question: string }), {
    code: 'FSR_ERR_EVENT_INVALID'
  })
  await t.rejects(
    (connection as unknown as { request (type: string): Promise<unknown> }).request('tell'),
    { code: 'FSR_ERR_REQUEST_UNANSWERABLE' }
  )
  t.notOk(connection.hasPendingRequests, 'and nothing is made for it')
})

t.test('a client can cancel a message: the handler is told, and no reply is sent', async (t) => {
  const { client, handled } = await start(t)
  tell(client, { type: 'wait', id: 1 })
  tell(client, { type: 'cancel', id: 1 })
  tell(client, { type: 'confirm', id: 1 })
  const { id } = await client.json() as { id: number }
  t.same(handled, ['aborted'])
  tell(client, { type: 'reply', id, data: false })
  t.same(await client.json(), { type: 'reply', id: 1, data: false })
})

t.test('ending by its own signal is no failure of a handler; another error is', async (t) => {
  const app = await createApp(t)
  const errors: Error[] = []
  let begun = false
  app.socketRoute('/work', {
    schema: { in: { wait: {}, fail: {}, note: {} } },
    on: {
      wait: async (_connection, _data, { signal }) => {
        await setTimeout(60_000, undefined, { signal })
      },
      fail: async (_connection, _data, { signal }) => {
        begun = true
        await once(signal, 'abort')
        throw new Error('real')
      },
      note () {}
    },
    onError (_connection, error) { errors.push(error) }
  })
  const client = await connect(`${await listen(app)}/work`)
  tell(client, { type: 'wait', id: 1 })
  tell(client, { type: 'cancel', id: 1 })
  tell(client, { type: 'fail', id: 1 })
  await until(() => begun)
  tell(client, { type: 'cancel', id: 1 })
  tell(client, { type: 'note', id: 2 })
  t.same(
    await client.json(),
    { type: 'reply', id: 2 },
    'the next answer is that to the next message'
  )
  t.match(errors, [{ message: 'real' }])
  t.equal(errors.length, 1)
})

t.test('a waiting message can be cancelled, and its id used again', async (t) => {
  const app = await createApp(t)
  const handled: unknown[] = []
  let go: undefined | (() => void)
  app.socketRoute('/work', {
    schema: { in: { first: {}, next: { data: Type.String() } } },
    on: {
      first: () => new Promise<void>((resolve) => { go = resolve }),
      next (_connection, text) { handled.push(text) }
    }
  })
  const client = await connect(`${await listen(app)}/work`)
  tell(client, { type: 'first', id: 1 })
  tell(client, { type: 'next', id: 2, data: 'taken back' })
  tell(client, { type: 'next', id: 3, data: 'kept' })
  tell(client, { type: 'cancel', id: 2 })
  tell(client, { type: 'cancel', id: 4 })
  tell(client, { type: 'next', id: 2, data: 'again' })
  tell(client, { type: 'next', id: 4, data: 'later' })
  // Behind all of these, as pongs are.
  client.socket.ping()
  await once(client.socket, 'pong')
  go!()
  t.same(await client.take(4), [1, 3, 2, 4].map((id) => `{"type":"reply","id":${id}}`))
  t.same(handled, ['kept', 'again', 'later'])
})

t.test('a waiting message can be cancelled before any message with an id is handled', async (t) => {
  const app = await createApp(t)
  const handled: unknown[] = []
  let go: undefined | (() => void)
  app.socketRoute('/work', {
    schema: { in: { first: {}, next: { data: Type.String() } } },
    on: {
      first: () => new Promise<void>((resolve) => { go = resolve }),
      next (_connection, text) { handled.push(text) }
    }
  })
  const client = await connect(`${await listen(app)}/work`)
  tell(client, { type: 'first' })
  tell(client, { type: 'next', id: 1, data: 'cancelled' })
  tell(client, { type: 'cancel', id: 1 })
  tell(client, { type: 'next', id: 2, data: 'kept' })
  // Behind all of these, as pongs are.
  client.socket.ping()
  await once(client.socket, 'pong')
  go!()
  t.same(await client.json(), { type: 'reply', id: 2 })
  t.same(handled, ['kept'])
})

t.test('a message that was taken back has nothing to do with the next of its id', async (t) => {
  const app = await createApp(t)
  const running: Array<{ fail (error: Error): void, answer (): void, signal: AbortSignal }> = []
  app.socketRoute('/chat', {
    schema: { in: { work: { reply: Type.Integer() }, list: { stream: Type.Integer() } } },
    on: {
      work: (_connection, _data, { signal }) => new Promise((resolve, reject) => {
        running.push({ fail: reject, answer: () => { resolve(7) }, signal })
      }),
      list: (_connection, _data, { signal }) => new Promise((resolve, reject) => {
        running.push({
          fail: reject,
          answer: () => { resolve((async function * () { yield 1 })()) },
          signal
        })
      })
    }
  }, { concurrency: 4 })
  const client = await connect(`${await listen(app)}/chat`)
  for (const [index, how] of (['fail', 'answer'] as const).entries()) {
    tell(client, { type: how === 'fail' ? 'work' : 'list', id: 1 })
    tell(client, { type: 'cancel', id: 1 })
    tell(client, { type: 'work', id: 1 })
    await until(() => running.length === (index + 1) * 2)
    const [before, now] = running.slice(-2)
    before![how](new Error('of an abandoned request'))
    await turns(3)
    t.notOk(now!.signal.aborted)
    now!.answer()
    t.same(await client.json(), { type: 'reply', id: 1, data: 7 })
  }
})

t.test('a message can also be taken back while it waits for its turn', async (t) => {
  const { client, handled } = await start(t)
  tell(client, { type: 'wait', id: 1 })
  tell(client, { type: 'wait', id: 2 })
  tell(client, { type: 'cancel', id: 2 })
  client.send('{"cancel"')
  tell(client, { type: 'note', data: 'last', id: 3 })
  tell(client, { type: 'cancel', id: 1 })
  t.match(
    await client.json(),
    { type: 'error', code: 'FSR_ERR_MESSAGE_NOT_JSON' },
    'what only looks like that waits'
  )
  t.same(await client.json(), { type: 'reply', id: 3 })
  t.same(handled, ['aborted', 'last'])
  t.same(client.unread, [])
})

t.test('a message cancelled before its turn is forgotten with the last waiting one', async (t) => {
  const { client, handled } = await start(t)
  const last: Array<string | Buffer> = [
    Buffer.from('binary'),
    'no JSON',
    '{"type":"\\u0063ancel","id":"z"}',
    '{"type":"unknown"}',
    '{"type":"note","data":"x"}'
  ]
  for (const message of last) {
    tell(client, { type: 'wait', id: 1 })
    client.send(message)
    tell(client, { type: 'cancel', id: 'a' })
    tell(client, { type: 'cancel', id: 1 })
    tell(client, { type: 'note', data: String(message), id: 'a' })
    for (;;) {
      const { type, id } = await client.json() as { type: string, id?: string }
      if (type === 'error') continue
      t.same({ type, id }, { type: 'reply', id: 'a' })
      break
    }
  }
  t.same(
    handled.filter((each) => each !== 'x'),
    last.flatMap((message) => ['aborted', String(message)])
  )
})

t.test('the signal of a handler aborts when its client has left', async (t) => {
  const { client, connection, handled } = await start(t)
  tell(client, { type: 'wait', id: 1 })
  tell(client, { type: 'wait', id: 2 })
  tell(client, { type: 'note', data: 'last' })
  await until(() => connection.inboundRequests !== undefined)
  client.socket.terminate()
  await until(() => handled.includes('last'))
  t.same(handled, ['aborted', 'aborted', 'last'])
})

t.test('a handler that throws after its signal aborted has not failed', async (t) => {
  const app = await createApp(t)
  const errors: unknown[] = []
  let running = 0
  let ended = 0
  app.socketRoute('/chat', {
    schema: { in: { wait: {} } },
    on: {
      async wait (_connection, _data, { signal }) {
        running++
        try {
          await setTimeout(60_000, undefined, { signal })
        } finally {
          ended++
        }
      }
    },
    onError (_connection, error) { errors.push(error) }
  }, { concurrency: 3 })
  const client = await connect(`${await listen(app)}/chat`)
  for (const message of [{ id: 1 }, { id: 2 }, {}]) tell(client, { type: 'wait', ...message })
  await until(() => running === 3)
  tell(client, { type: 'cancel', id: 1 })
  await until(() => ended === 1)
  client.socket.terminate()
  await until(() => ended === 3)
  await turns(3)
  t.same(errors, [])
})

t.test('a reply returned while the server closes is sent', async (t) => {
  const app = await createApp(t)
  let save = (_value: number): void => {}
  const chat = app.socketRoute('/chat', {
    schema: { in: { save: { reply: Type.Integer() } } },
    on: { save: () => new Promise<number>((resolve) => { save = resolve }) }
  })
  const client = await connect(`${await listen(app)}/chat`)
  tell(client, { type: 'save', id: 1 })
  const [connection] = [...chat.clients]
  await until(() => connection!.inboundRequests !== undefined)
  connection!.close(1012)
  await turns(3)
  save(1)
  t.same(await client.json(), { type: 'reply', id: 1, data: 1 })
  t.match(await client.closed, { code: 1012 })
})

t.test('the answer of one client is not told to another, nor counted as its fault', async (t) => {
  const app = await createApp(t)
  const errors: unknown[] = []
  const schema = {
    in: { invite: {}, watch: { stream: Type.Integer() } },
    out: { ask: { reply: Type.Record(Type.String(), Type.Integer()) } }
  }
  const chat = app.socketRoute('/chat', {
    schema,
    on: {
      async invite (connection, _data, { clients }) {
        await [...clients].find((other) => other !== connection)!.request('ask')
      },
      async * watch (connection, _data, { clients }) {
        await [...clients].find((other) => other !== connection)!.request('ask')
        yield 1
      }
    },
    onError (_connection, error) { errors.push(error) }
  }, { invalidMessages: 'close' })
  const url = `${await listen(app)}/chat`
  const [one, other] = [await connect(url), await connect(url)]
  for (const type of ['invite', 'watch']) {
    tell(one, { type, id: 1 })
    tell(other, {
      type: 'reply',
      id: (await other.json() as { id: number }).id,
      data: { 'of another': 'no number' }
    })
    t.same(await one.json(), {
      type: 'error',
      id: 1,
      code: 'FSR_ERR_HANDLER_FAILED',
      message: 'The message could not be handled'
    })
  }
  t.match(errors, [{ code: 'FSR_ERR_ANSWER_INVALID' }, { code: 'FSR_ERR_ANSWER_INVALID' }])
  t.equal(chat.clients.size, 2, 'no connection is closed for it')
})

t.test('an answer with an invalid form is harmless, also before a request is made', async (t) => {
  const app = await createApp(t)
  let isAnswered = (): void => {}
  const answered = new Promise<void>((resolve) => { isAnswered = resolve })
  app.socketRoute('/chat', {
    schema: {
      in: { confirm: { reply: Type.Boolean() }, note: {} },
      out: { ask: { reply: Type.Boolean() } }
    },
    on: {
      async confirm (connection) {
        const asked = connection.request('ask')
        await answered
        await turns(3)
        return await asked
      },
      note () { isAnswered() }
    },
    onError () {}
  }, { concurrency: 2 })
  const client = await connect(`${await listen(app)}/chat`)
  tell(client, { type: 'confirm', id: 1 })
  tell(client, { type: 'error', id: (await client.json() as { id: number }).id, code: 'NO' })
  tell(client, { type: 'note' })
  t.match(await client.json(), { type: 'error', id: 1, code: 'FSR_ERR_HANDLER_FAILED' })
})

t.test('a request whose signal has already aborted is not sent', async (t) => {
  const { client, connection } = await start(t)
  await t.rejects(ask(connection, { signal: AbortSignal.abort(new Error('never')) }), {
    message: 'never'
  })
  tell(client, { type: 'note', data: 'after', id: 6 })
  t.same(await client.json(), { type: 'reply', id: 6 })
})

t.test('a request without a time limit waits for its answer', async (t) => {
  const { clock, client, connection } = await start(t)
  const asked = ask(connection, { timeout: Infinity })
  const { id } = await client.json() as { id: number }
  await t.rejects(clock.during(ask(connection, { timeout: 3_600_000 })), {
    code: 'FSR_ERR_REQUEST_TIMEOUT'
  })
  tell(client, { type: 'reply', id, data: true })
  t.equal(await asked, true)
})

t.test("the text of a client's refusal reaches no log", async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: {
      logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } }
    }
  })
  app.socketRoute('/chat', {
    schema: { in: { confirm: { reply: Type.Boolean() } }, out: { ask: { reply: Type.Boolean() } } },
    on: { confirm: async (connection) => await connection.request('ask') }
  })
  const client = await connect(`${await listen(app)}/chat`)
  tell(client, { type: 'confirm', id: 1 })
  tell(client, {
    type: 'error',
    id: (await client.json() as { id: number }).id,
    code: 'a code of my own',
    message: 'a text of my own'
  })
  t.match(await client.json(), { type: 'error', id: 1, code: 'FSR_ERR_HANDLER_FAILED' })
  t.ok(lines.some((line) => line.includes('FSR_ERR_REQUEST_REFUSED')))
  t.notOk(lines.some((line) => line.includes('of my own')))
})

t.test('a cancelled message has no reply, also if its handler returns one', async (t) => {
  const app = await createApp(t)
  const errors: string[] = []
  app.socketRoute('/chat', {
    schema: { in: { abort: {}, fail: {}, tell: {}, still: {} } },
    on: {
      abort: async (_connection, _data, { signal }) => {
        await setTimeout(60_000, undefined, { signal })
      },
      fail: async (_connection, _data, { signal }) => {
        await once(signal, 'abort').then(() => { throw new Error('failed then') })
      },
      tell: async (_connection, _data, { signal }) => {
        await once(signal, 'abort').then(() => { throw new ReplyError('THEN', 'told then') })
      },
      still: async () => { await setTimeout(60_000, undefined, { signal: AbortSignal.abort() }) }
    },
    onError (_connection, error) { errors.push(error.message) }
  })
  const client = await connect(`${await listen(app)}/chat`)
  for (const type of ['abort', 'fail', 'tell']) {
    tell(client, { type, id: type })
    tell(client, { type: 'cancel', id: type })
    tell(client, { type: 'none', id: 0 })
    t.match(await client.json(), { type: 'error', id: 0 }, 'the next answer is another')
  }
  tell(client, { type: 'still', id: 1 })
  t.match(
    await client.json(),
    { type: 'error', id: 1, code: 'FSR_ERR_HANDLER_FAILED' },
    'and what is aborted by something else has failed'
  )
  t.same(
    errors.filter((message) => !message.startsWith('There is no')),
    ['failed then', 'The operation was aborted'],
    'that it was aborted is what was asked of it'
  )
})

t.test('a route without a contract cannot ask', async (t) => {
  const app = await createApp(t)
  const failed = new Promise((resolve) => {
    app.socketRoute('/raw', {
      onOpen (connection) {
        (connection as unknown as Asking).request('ask', { question: '' }).catch(resolve)
      }
    })
  })
  await connect(`${await listen(app)}/raw`)
  t.match(await failed, { code: 'FSR_ERR_CONTRACT_MISSING' })
})

t.test('a room is asked as a whole, and each answer names its member', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  const chat = app.socketRoute('/chat', {
    schema: { out: { ask: { data: Type.String(), reply: Type.Boolean() } } },
    on: {},
    onOpen: async (connection) => { await connection.join('room') }
  })
  const url = `${await listen(app)}/chat`
  t.same(await chat.to('room').local.request('ask', 'hello?'), [], 'the room is empty')
  await t.rejects(
    chat.to('room').local.request('ask', 'never', {
      signal: AbortSignal.abort(new Error('never'))
    }),
    { message: 'never' }
  )
  const clients: Client[] = []
  for (let count = 0; count < 5; count++) clients.push(await connect(url))
  const [yes, no, error, silent, left] = clients as [Client, Client, Client, Client, Client]
  const connections = [...chat.clients]
  const asked = connections[4]!.to('room').local.request('ask', 'Sure?')
  connections[4]!.close()
  const answers = chat.to('room').local.request('ask', 'Sure?', { timeout: 20_000 })
  const requests = await Promise.all([yes, no, error, silent].map(
    async (client) => (await client.take(2)).map(String)
  ))
  t.equal(new Set(requests.flat()).size, 2, 'each request is the same for all')
  await left.closed
  const id = (client: number, request: number): number => JSON.parse(requests[client]![request]!).id
  for (const request of [0, 1]) {
    tell(yes, { type: 'reply', id: id(0, request), data: true })
    tell(no, { type: 'reply', id: id(1, request), data: 'not a boolean' })
    tell(error, { type: 'error', id: id(2, request), code: 'NO', message: '' })
  }
  await traffic()
  const settled = await clock.during(answers)
  t.same(settled.map(({ connection }) => connections.indexOf(connection)), [0, 1, 2, 3])
  t.match(settled, [
    { status: 'fulfilled', value: true },
    { status: 'rejected', reason: { code: 'FSR_ERR_ANSWER_INVALID' } },
    { reason: { code: 'FSR_ERR_REQUEST_REFUSED' } },
    { reason: { code: 'FSR_ERR_REQUEST_TIMEOUT' } }
  ])
  silent.socket.terminate()
  t.match(
    (await asked).map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'rejected'],
    'without the one that asks'
  )
  await t.rejects(chat.to('room').local.request('none' as 'ask', ''), {
    code: 'FSR_ERR_EVENT_UNKNOWN'
  })
})

t.test('a connection that asks a room that it is in is not asked itself', async (t) => {
  const app = await createApp(t)
  const chat = app.socketRoute('/chat', {
    schema: { out: { ask: { reply: Type.Boolean() }, tell: null } },
    on: {},
    onOpen: async (connection) => { await connection.join('room') }
  })
  const url = `${await listen(app)}/chat`
  const [asking, asked] = [await connect(url), await connect(url)]
  const [one, other] = [...chat.clients]
  const answers = one!.to('room').local.request('ask')
  tell(asked, { type: 'reply', id: (await asked.json() as { id: number }).id, data: true })
  t.same((await answers).map(({ connection, ...answer }) => [connection.id, answer]), [[
    other!.id,
    { status: 'fulfilled', value: true }
  ]])
  one!.send('tell')
  t.same(await asking.json(), { type: 'tell' }, 'the first that it gets')
})

t.test('a closing connection is sent no request, nor one whose wait cannot begin', async (t) => {
  const app = await createApp(t)
  const outcomes: string[] = []
  const ask = async (asked: Promise<unknown>): Promise<void> => {
    outcomes.push(await asked.then(() => 'answered', ({ message }) => message))
  }
  const signal = Object.assign(new EventTarget(), {
    aborted: false,
    addEventListener () { throw new Error('of a library') }
  })
  app.socketRoute('/', {
    schema: { in: { end: {} }, out: { ask: { reply: Type.Boolean() } } },
    on: {
      async end (connection) {
        await ask(connection.request('ask', undefined, {
          signal: signal as unknown as AbortSignal
        }))
        connection.close()
      }
    },
    onClose: async (connection) => { await ask(connection.request('ask')) }
  })
  const client = await connect(await listen(app))
  tell(client, { type: 'end' })
  await client.closed
  t.strictSame(outcomes, ['of a library', 'The connection ended before the client replied'])
  t.strictSame(client.unread, [])
})
