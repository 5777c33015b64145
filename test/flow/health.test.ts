import { Agent, get } from 'node:http'
import { once } from 'node:events'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import socketRoutes from '../../src/index.js'
import { connect, refusal, tcp } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { until } from '../support/until.js'

interface Answer {
  readonly status: number
  readonly retryAfter: undefined | string
  readonly body: object
}

/** Asks as a load balancer does, on a connection of its own, or on one that is kept. */
async function ask (url: string, agent: false | Agent = false): Promise<Answer> {
  const [response] = await once(get(`${url.replace('ws', 'http')}/health`, { agent }), 'response')
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return {
    status: response.statusCode,
    retryAfter: response.headers['retry-after'],
    body: JSON.parse(text)
  }
}

/** Creates an app with a health route, and a connection whose onClose delays the stop. */
async function createHealthy (t: Test, fastify: FastifyServerOptions = {}): Promise<{
  app: FastifyInstance
  isDraining: () => boolean
  release: () => void
}> {
  const app = await createApp(t, { fastify })
  let resolve: undefined | (() => void)
  app.socketRoute('/', {
    onOpen: () => 'open',
    onClose: async () => { await new Promise<void>((_resolve) => { resolve = _resolve }) }
  })
  app.get('/health', { logLevel: 'silent' }, app.socketHealth)
  return { app, isDraining: () => resolve !== undefined, release: () => { resolve!() } }
}

t.test('the health route answers ready, and how many connections there are', async (t) => {
  const { app, isDraining, release } = await createHealthy(t)
  const url = await listen(app)
  t.strictSame(await ask(url), {
    status: 200,
    retryAfter: undefined,
    body: { status: 'ready', connections: 0 }
  })
  const client = await connect(url)
  t.strictSame((await ask(url)).body, { status: 'ready', connections: 1 })
  await client.close()
  await until(isDraining)
  t.strictSame(
    (await ask(url)).body,
    { status: 'ready', connections: 1 },
    'one whose onClose has not settled counts'
  )
  release()
  await until(() => app.socketRoutes.get('/')!.clients.size === 0)
  t.strictSame((await ask(url)).body, { status: 'ready', connections: 0 })
  t.equal((await app.inject('/health')).headers['cache-control'], 'no-store')
})

t.test('a closing app has 503 with Retry-After if return503OnClosing is false', async (t) => {
  const { app, isDraining, release } = await createHealthy(t, { return503OnClosing: false })
  const url = await listen(app)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.equal((await ask(url, agent)).status, 200)
  await connect(url)
  const closed = app.close()
  await until(isDraining)
  const expected = { status: 503, retryAfter: '5', body: { status: 'closing', connections: 1 } }
  t.strictSame(await ask(url, agent), expected, 'on a connection that was kept')
  t.strictSame(await ask(url), expected, 'on a new one')
  release()
  await closed
  agent.destroy()
})

t.test('a plain request to a socket route of a closing app gets Connection: close', async (t) => {
  const { app, isDraining, release } = await createHealthy(t, { return503OnClosing: false })
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers['x-last'] !== undefined) reply.header('Connection', 'Close')
  })
  const url = (await listen(app)).replace('ws', 'http')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const connectionOf = async (headers = {}): Promise<undefined | string> => {
    const [response] = await once(get(url, { agent, headers }), 'response')
    response.resume()
    await once(response, 'end')
    t.equal(response.statusCode, 426)
    return response.headers.connection
  }
  t.equal(await connectionOf(), 'upgrade')
  t.equal(await connectionOf({ 'x-last': '1' }), 'upgrade, close')
  await connect(url.replace('http', 'ws'))
  const closed = app.close()
  await until(isDraining)
  t.equal(await connectionOf(), 'upgrade, close')
  release()
  await closed
  agent.destroy()
})

t.test('Fastify itself sends 503 on the health route of a closing app by default', async (t) => {
  const { app, isDraining, release } = await createHealthy(t)
  const url = await listen(app)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.equal((await ask(url, agent)).status, 200)
  await connect(url)
  const closed = app.close()
  await until(isDraining)
  const expected = {
    status: 503,
    retryAfter: undefined,
    body: { error: 'Service Unavailable', message: 'Service Unavailable', statusCode: 503 }
  }
  t.strictSame(await ask(url, agent), expected, 'on a connection that was kept')
  t.strictSame(await ask(url), expected, 'on a new one')
  release()
  await closed
  agent.destroy()
})

for (const return503OnClosing of [true, false]) {
  t.test(`a slow preClose: not ready, return503OnClosing: ${return503OnClosing}`, async (t) => {
    const app = Fastify({ return503OnClosing })
    t.teardown(() => app.close())
    let release: undefined | (() => void)
    // Before the plugin's own.
    app.addHook('preClose', async () => {
      await new Promise<void>((resolve) => { release = resolve })
    })
    await app.register(socketRoutes)
    app.socketRoute('/', { onOpen: () => 'open', onClose: () => 'goodbye' })
    app.get('/health', app.socketHealth)
    const url = await listen(app)
    const client = await connect(url)
    t.equal(await client.next(), 'open')
    const closed = app.close()
    await until(() => release !== undefined)
    t.equal((await ask(url)).status, 503)
    t.equal((await refusal(url)).status, 503)
    t.strictSame(client.unread, [], 'connections stay until the drain')
    t.equal(app.socketRoutes.get('/')!.clients.size, 1)
    release!()
    await closed
    t.strictSame(await client.closed, { code: 1012, reason: 'service restart' })
    t.strictSame(client.unread, ['goodbye'])
  })
}

t.test('a request that Fastify let in before it began to close is answered 503', async (t) => {
  const { app, isDraining, release } = await createHealthy(t)
  let admit: undefined | (() => void)
  app.get(
    '/slow-health',
    { preHandler: async () => { await new Promise<void>((resolve) => { admit = resolve }) } },
    app.socketHealth
  )
  const url = await listen(app)
  await connect(url)
  const early = await tcp(url)
  early.write('GET /slow-health HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(() => admit !== undefined)
  const closed = app.close()
  await until(isDraining)
  admit!()
  t.match(
    String((await once(early, 'data'))[0]),
    /^HTTP\/1\.1 503 [^]*retry-after: 5[^]*\{"status":"closing","connections":1\}$/
  )
  release()
  await closed
})
