// A client that cannot connect says so.
import t, { type Test } from 'tap'
import { isFinal, statusOf } from '../../src/client/reconnection.js'
import { warn } from '../../src/client/environment.js'
import type { ClientOptions } from '../../src/client/index.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { turns, until } from '../support/until.js'
import { connectTo, WireServer, type WireServerOptions } from './wire-server.js'

// The lines of the console.
function told (t: Test): string[] {
  const texts: string[] = []
  t.intercept(console, 'warn', { value: (text: string) => { texts.push(text) } })
  return texts
}

// A server with a variable response, and a client that has failed to connect a number of times.
async function refused (t: Test, options: WireServerOptions, clientOptions: ClientOptions = {}) {
  const server = await WireServer.start(t, options)
  const errors: Error[] = []
  const client = connectTo(t, server.url, {
    ...clientOptions,
    onError (error) { errors.push(error as Error) }
  })
  return { server, client, errors }
}

t.test('without onError the console is told once, until there was a connection', async (t) => {
  const texts = told(t)
  const options: WireServerOptions = { refusal: 503 }
  const server = await WireServer.start(t, options)
  let attempts = 0
  const client = connectTo(t, `${server.url}chat?token=secret`, {
    reconnect: {
      minDelay: 1,
      maxDelay: 1,
      when: ({ attempts: count }) => { attempts = count; return undefined }
    }
  })
  await until(() => attempts > 2)
  t.strictSame(texts, [
    `fastify-socket-route/client: ClientError: Cannot connect to ws://127.0.0.1:${server.port}/chat: Unexpected server response: 503`
  ])
  options.refusal = undefined
  const connection = await server.accept()
  await client.opened
  options.refusal = 503
  connection.socket.terminate()
  await until(() => texts.length === 2)
})

t.test('a production build writes nothing to the console, a plain page does', async (t) => {
  const texts = told(t)
  const { process } = globalThis
  const env = (NODE_ENV: undefined | string) => ({ env: { NODE_ENV } }) as never
  try {
    for (const value of [undefined, env('production'), env('development'), env(undefined)]) {
      globalThis.process = value as never
      warn('a failure')
    }
  } finally {
    globalThis.process = process
  }
  t.strictSame(texts, Array(3).fill('fastify-socket-route/client: a failure'))
})

for (const status of [400, 403, 404, 426]) {
  t.test(`a client rejected with ${status} at first gives up, if that is known`, async (t) => {
    const { client, errors } = await refused(t, { refusal: status }, { token: () => 'a-token' })
    const message = new RegExp(
      `^The client is closed: Cannot connect to .*: Unexpected server response: ${status}$`
    )
    await t.rejects(client.opened, {
      code: 'FSR_CLIENT_CLOSED',
      message,
      cause: { code: 'FSR_CLIENT_CONNECTION' }
    })
    await t.rejects(client.request('ask'), { code: 'FSR_CLIENT_CLOSED' })
    t.strictSame(await client.closed, { code: 1006, reason: '' })
    await turns(1)
    t.equal(errors.length, 1)
  })
}

t.test('requests that wait when the client gives up fail with the reason', async (t) => {
  const { client } = await refused(t, { refusal: 404 })
  await t.rejects(client.request('ask'), { code: 'FSR_CLIENT_CLOSED', message: /404/ })
})

t.test('a client without a token gives up at the first 401, with one at the second', async (t) => {
  const { client, errors } = await refused(t, { refusal: 401 })
  await t.rejects(client.opened, { message: /401/ })
  t.equal(errors.length, 1)
  let tokens = 0
  const other = await refused(t, { refusal: 401 }, { token: () => `token-${++tokens}` })
  await t.rejects(other.client.opened, { message: /401/ })
  t.equal(tokens, 2)
})

t.test('a client whose next token is valid connects after a 401', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/chat', { onMessage () {} }, 'ROLE_USER')
  let tokens = 0
  const client = connectTo(t, `${await listen(app)}/chat`, {
    token: () => ++tokens === 1 ? 'not.a.token' : tokenOf(app),
    onError () {}
  })
  await client.opened
  t.equal(tokens, 2)
})

t.test('a client that was connected retries after a 404, and not after a 403', async (t) => {
  const options: WireServerOptions = {}
  const { server, client, errors } = await refused(t, options)
  const connection = await server.accept()
  await client.opened
  options.refusal = 404
  connection.socket.terminate()
  await until(() => errors.length > 2)
  options.refusal = 403
  await t.rejects(client.opened, { message: /403/ })
})

t.test('the app decides with the status that it is told', async (t) => {
  const statuses: unknown[] = []
  const options: WireServerOptions = { refusal: 404 }
  const { server, client } = await refused(t, options, {
    reconnect: {
      minDelay: 1,
      when ({ status }) { statuses.push(status); options.refusal = undefined; return true }
    }
  })
  await server.accept()
  await client.opened
  t.strictSame(statuses, [404])
})

t.test('the status of an unreachable server is not known', async (t) => {
  const { server, client } = await refused(t, {})
  await server.stop()
  client.close()
  const ended = await new Promise((resolve) => {
    connectTo(t, server.url, {
      onError () {},
      reconnect: { when (ended) { resolve(ended); return false } }
    })
  })
  t.strictSame(ended, { code: 1006, reason: '', attempts: 0 })
})

t.test('the status is read from the texts in which it is told, and from no other', async (t) => {
  t.equal(statusOf('Unexpected server response: 401'), 401)
  t.equal(statusOf("Expected HTTP 101 response but was '404 Not Found'"), 404)
  t.equal(statusOf('Received bad response code from server: 403.'), 403)
  t.equal(statusOf('NetworkError: failed to connect to WebSocket: Invalid status code: 404'), 404)
  t.equal(
    statusOf(
      'expected server to reply with HTTP status code 101 (switching protocols), but received ' +
      '404 instead.'
    ),
    404
  )
  t.equal(statusOf('connect ECONNREFUSED 127.0.0.1:443'), undefined)
  t.equal(statusOf('Received network error or non-101 status code.'), undefined)
  t.equal(statusOf(''), undefined)
})

t.test('a temporary failure is not final', async (t) => {
  const of = (status: undefined | number) => isFinal(status, undefined, false, false)
  t.strictSame(
    [undefined, 302, 400, 401, 403, 404, 408, 410, 425, 426, 429, 500, 503].filter(of),
    [302, 400, 401, 403, 404, 410, 426]
  )
})

t.test("an attempt that ends with a close only is reported, without a server's code", async (t) => {
  // So does Bun.
  class Refused extends EventTarget {
    readonly readyState = 3
    constructor (url: string) {
      super()
      queueMicrotask(() => {
        this.dispatchEvent(Object.assign(new Event('close'), {
          code: 1002,
          reason: `WebSocket connection to '${url}' failed: Expected 101 status code`
        }))
      })
    }

    close () {}
  }
  const errors: unknown[] = []
  const closed: unknown[] = []
  const client = connectTo(t, 'ws://localhost/?ticket=secret', {
    WebSocket: Refused,
    onError (error) { errors.push(error) },
    reconnect: { minDelay: 1, maxDelay: 1, when (ended) { closed.push(ended); return undefined } }
  })
  await until(() => errors.length >= 2)
  client.close()
  t.match(errors[0], {
    code: 'FSR_CLIENT_CONNECTION',
    message: "Cannot connect to ws://localhost/: WebSocket connection to 'ws://localhost/' " +
      'failed: Expected 101 status code'
  })
  t.match(closed[0], { code: 1006, reason: '', attempts: 0 })
})

t.test('an attempt of which a browser tells nothing is told with what it may be', async (t) => {
  class Failing extends EventTarget {
    readonly readyState = 3
    constructor () {
      super()
      queueMicrotask(() => { this.dispatchEvent(new Event('error')) })
    }

    close () {}
  }
  const error = await new Promise((resolve) => {
    connectTo(t, 'ws://me:password@localhost/chat?ticket=1', {
      WebSocket: Failing,
      onError: resolve,
      reconnect: false
    })
  })
  t.match(error, {
    message: 'Cannot connect to ws://localhost/chat: no such server or path, or the client is ' +
      'refused'
  })
})
