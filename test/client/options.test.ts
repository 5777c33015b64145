import t from 'tap'
import { WebSocket } from 'ws'
import { connect } from '../../src/client/index.js'

const refused = (name: string) => ({ name: 'TypeError', message: `There is no option ${name}` })

t.test('an option that there is not throws, as a slip would be ignored', async (t) => {
  const slips: Record<string, object> = {
    timeOut: { timeOut: 5 },
    tokens: { tokens: () => 'x' },
    reconnection: { reconnection: false },
    onerror: { onerror: undefined },
    'reconnect.minDelai': { reconnect: { minDelai: 5 } },
    'reconnect.attempts': { reconnect: { when: () => false, attempts: 5 } },
    'ping.intervall': { ping: { intervall: 5 } }
  }
  for (const [name, options] of Object.entries(slips)) {
    t.throws(() => connect('ws://localhost/', { WebSocket, ...options }), refused(name))
  }
})

t.test('invalid options throw, and the text does not repeat a possible token', async (t) => {
  for (const options of ['bearer', ['bearer', 'token'], () => 'token', null, 5, true]) {
    t.throws(
      () => connect('ws://localhost/', options as never),
      { name: 'TypeError', message: /^The options must be an object, \{ token,renewBefore,/ },
      String(options)
    )
  }
})

t.test('invalid options of a request, a stream or an iteration throw', async (t) => {
  const client = connect(() => new Promise(() => {}), { WebSocket })
  t.teardown(() => { client.close() })
  await t.rejects(client.request('say', 1, { timeOut: 5 } as object), refused('timeOut'))
  t.throws(() => client.stream('say', 1, { timeout: 5 } as object), refused('timeout'))
  t.throws(() => client.events('said', { limit: 5 } as object), refused('limit'))
  for (const wrong of [NaN, -1, '5', null] as number[]) {
    await t.rejects(client.request('say', 1, { timeout: wrong }), {
      name: 'RangeError',
      message: /^timeout /
    })
    t.throws(
      () => client.stream('say', 1, { buffer: wrong }),
      { name: 'RangeError', message: /^buffer / }
    )
    t.throws(() => client.events('said', { buffer: wrong }), { name: 'RangeError' })
  }
})

t.test('a number as options, and a handler that is none, throw', async (t) => {
  const client = connect(() => new Promise(() => {}), { WebSocket })
  t.teardown(() => { client.close() })
  const error = (names: string) =>
    ({ name: 'TypeError', message: `The options must be an object, { ${names} }` })
  for (const wrong of [500, null, true, []] as never[]) {
    await t.rejects(client.request('say', 1, wrong), error('timeout,signal'))
    t.throws(() => client.stream('say', 1, wrong), error('signal,buffer'))
    t.throws(() => client.events('said', wrong), error('signal,buffer'))
  }
  for (const wrong of [undefined, 'said', {}] as never[]) {
    t.throws(
      () => client.on('said', wrong),
      { name: 'TypeError', message: 'handler must be a function' }
    )
  }
})

t.test('every option that there is counts, also as undefined', async (t) => {
  const options = {
    token: undefined,
    renewBefore: 1,
    protocols: [],
    WebSocket,
    timeout: 1,
    connectTimeout: 1,
    buffer: 1,
    onError: () => {}
  }
  for (const [reconnect, ping] of [
    [{ minDelay: 1, maxDelay: 1, when: () => false }, { interval: 1, timeout: 1 }],
    [{ when: undefined }, { interval: undefined }],
    [false, false],
    [undefined, undefined]
  ] as const) {
    const client = connect('ws://localhost/', { ...options, reconnect, ping })
    client.close()
    t.match(await client.closed, { code: 1000 })
  }
})
