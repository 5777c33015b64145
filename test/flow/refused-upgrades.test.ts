import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { kClock } from '../../src/clock.js'
import socketRoutes from '../../src/index.js'
import { handshake, readAll } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { giveTwoAddresses } from '../support/localhost.js'
import { tls } from '../support/tls.js'

/** The setup of an app before and after the plugin. */
interface Refusing {
  readonly before?: (app: FastifyInstance) => void
  readonly after?: (app: FastifyInstance) => void
  readonly options?: object
  readonly path?: string
  readonly constraints?: Record<string, string>
  readonly headers?: Record<string, string>
  readonly status: number
}
const isUpgrade = (request: FastifyRequest) => request.headers.upgrade !== undefined
const failing = (status: number) => Object.assign(new Error('refused'), { statusCode: status })
const tenant = {
  name: 'tenant',
  storage () {
    const all: Record<string, unknown> = {}
    return {
      get: (key: string) => all[key] ?? null,
      set: (key: string, value: unknown) => { all[key] = value }
    }
  },
  deriveConstraint (_request: unknown, _context: unknown, done: (error: Error) => void) {
    setImmediate(done, new Error('the tenant service is down'))
  }
}
const refusing: Record<string, Refusing> = {
  'a hook of the app, added before, that answers': {
    status: 401,
    before: (app) => {
      app.addHook('onRequest', async (request, reply) => isUpgrade(request)
        ? await reply.code(401).send({})
        : undefined)
    }
  },
  'one that answers at once': {
    status: 401,
    before: (app) => {
      app.addHook('onRequest', (request, reply, done) => {
        if (isUpgrade(request)) reply.code(401).send({}); else done()
      })
    }
  },
  'one that throws': {
    status: 503,
    before: (app) => {
      app.addHook('onRequest', async (request) => { if (isUpgrade(request)) throw failing(503) })
    }
  },
  'one that hijacks and answers by itself': {
    status: 402,
    before: (app) => {
      app.addHook('onRequest', async (request, reply) => {
        if (!isUpgrade(request)) return
        reply.hijack()
        reply.raw.writeHead(402).end('{}')
      })
    }
  },
  'one that answers with a stream': {
    status: 403,
    before: (app) => {
      app.addHook('onRequest', async (request, reply) => isUpgrade(request)
        ? await reply.code(403).send(Readable.from(['x'.repeat(100_000), 'y'.repeat(100_000)]))
        : undefined)
    }
  },
  'a hook onSend that throws': {
    status: 500,
    path: '/nowhere',
    after: (app) => {
      app.addHook('onSend', async (request) => { if (isUpgrade(request)) throw failing(500) })
    }
  },
  'an error handler that throws': {
    status: 500,
    path: '/fails',
    after: (app) => { app.setErrorHandler(async () => { throw failing(500) }) }
  },
  'a handler for errors of the framework': {
    status: 418,
    path: '/chat/%zz',
    options: {
      frameworkErrors: (_error: Error, _request: FastifyRequest, reply: FastifyReply) => {
        reply.code(418).send({})
      }
    }
  },
  'an address that cannot be decoded': { status: 400, path: '/chat/%zz' },
  'a parameter that is too long': { status: 414, path: `/chat/${'x'.repeat(101)}` },
  'an async constraint that fails': {
    status: 500,
    options: { routerOptions: { constraints: { tenant } } },
    constraints: { tenant: 'a' }
  },
  'a route that was there before the plugin': {
    status: 200,
    path: '/early',
    before: (app) => { app.get('/early', async () => 'early') }
  },
  'a not-found handler': {
    status: 404,
    path: '/nowhere',
    after: (app) => {
      app.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({}))
    }
  },
  // By Fastify's own clock; nothing else ends this one, however slow the machine is.
  'a time-out of the handler': {
    status: 503,
    options: { handlerTimeout: 20 },
    after: (app) => {
      app.addHook('preHandler', async (request) => {
        if (isUpgrade(request)) await new Promise(() => {})
      })
    }
  },
  'the guard': { status: 401, path: '/guarded' },
  'a schema': { status: 400, path: '/chat/x?size=y' },
  'the origin': { status: 403, headers: { Origin: 'https://evil.example' } },
  'the check of the handshake': { status: 400, headers: { 'Sec-WebSocket-Key': 'short' } },
  'a body': { status: 400, headers: { 'Content-Length': '3' } },
  'a path with REST only': { status: 404, path: '/rest' },
  ...keptAlive(),
  ...failingAtOnce()
}

// Hooks that say the connection goes on, in all ways in which a head can be written.
function keptAlive (): Record<string, Refusing> {
  const answers: Record<string, (reply: FastifyReply) => void> = {
    'a header of the reply': (reply) => {
      reply.code(402).header('connection', 'keep-alive').header('Keep-Alive', 'timeout=72').send('')
    },
    'a list of headers of the reply': (reply) => {
      reply.code(402).header('connection', ['Keep-Alive', 'upgrade']).send('')
    },
    'a header of the response': (reply) => {
      reply.raw.setHeader('Connection', 'keep-alive').setHeader(
        'Keep-Alive',
        'timeout=72'
      ).writeHead(402).end()
    },
    'a header of a response that is ended at once': (reply) => {
      Object.assign(reply.raw, { statusCode: 402 }).setHeader('Connection', 'keep-alive').end()
    },
    both: (reply) => {
      reply.raw.setHeader('connection', 'keep-alive').writeHead(402, {
        connection: 'keep-alive'
      }).end()
    },
    'an object': (reply) => {
      reply.raw.writeHead(402, 'No', {
        Connection: 'Keep-Alive, Upgrade',
        'Keep-Alive': 'timeout=72'
      }).end()
    },
    'a list': (reply) => {
      reply.raw.writeHead(402, ['Connection', 'keep-alive', 'X-One', '1']).end()
    },
    'a list of pairs': (reply) => {
      reply.raw.writeHead(402, [['Connection', 'keep-alive'], ['X-One', '1']] as never).end()
    },
    'no header': (reply) => { reply.raw.writeHead(402, 'No').end() }
  }
  return Object.fromEntries(Object.entries(answers).map(([
    what,
    answer
  ]) => [`a hook that keeps it alive by ${what}`, {
    status: 402,
    before: (app: FastifyInstance) => {
      app.addHook('onRequest', (request, reply, done) => {
        if (!isUpgrade(request)) return done()
        if (what.includes('reply')) return answer(reply)
        reply.hijack()
        answer(reply)
      })
    }
  }]))
}

// Functions of the app that run before there is a request for hooks, or for each response.
function failingAtOnce (): Record<string, Refusing> {
  const fail = (): never => { throw failing(503) }
  const logger = { level: 'info', stream: { write () {} } }
  const forwarded = { 'X-Forwarded-For': '192.0.2.1' }
  const log = {
    level: 'info',
    silent () {},
    trace () {},
    debug () {},
    info () {},
    warn () {},
    error () {},
    fatal () {},
    child: (of: object): unknown => 'reqId' in of ? { ...log, info: fail } : log
  }
  const hook = (
    name: 'onSend' | 'preSerialization' | 'onError' | 'onRequest' | 'preHandler' | 'onResponse',
    run: (...given: unknown[]) => unknown
  ) =>
    (app: FastifyInstance): void => { app.addHook(name as 'onSend', run as never) }
  const rejecting = async (): Promise<never> => fail()
  const done = (...given: unknown[]): void => {
    (given.at(-1) as (error: Error) => void)(failing(503))
  }
  return {
    'trustProxy that throws': {
      status: 500,
      headers: forwarded,
      options: { trustProxy: fail, logger }
    },
    'trustProxy that throws, without a line for each request': {
      status: 503,
      headers: forwarded,
      options: { trustProxy: fail, logger: { ...logger, level: 'error' } }
    },
    'trustProxy that throws, without a logger': {
      status: 503,
      headers: forwarded,
      options: { trustProxy: fail }
    },
    'genReqId that throws': { status: 500, options: { genReqId: fail } },
    'childLoggerFactory that throws': { status: 500, options: { childLoggerFactory: fail } },
    'a logger that throws': { status: 500, options: { loggerInstance: log } },
    'rewriteUrl that throws': { status: 500, options: { rewriteUrl: fail } },
    'a constraint that throws': {
      status: 500,
      options: {
        routerOptions: { constraints: { tenant: { ...tenant, deriveConstraint: fail } } }
      },
      constraints: { tenant: 'a' }
    },
    'frameworkErrors that throws': {
      status: 500,
      path: '/chat/%zz',
      options: { frameworkErrors: fail }
    },
    'frameworkErrors that throws when it has answered': {
      status: 418,
      path: '/chat/%zz',
      options: {
        frameworkErrors: (_error: Error, _request: FastifyRequest, reply: FastifyReply) => {
          reply.code(418).send({})
          fail()
        }
      }
    },
    'onRequest that throws at once': { status: 503, after: hook('onRequest', fail) },
    'preHandler that throws at once': { status: 503, after: hook('preHandler', fail) },
    'onSend that throws at once': { status: 503, after: hook('onSend', fail) },
    'onSend that always rejects': { status: 503, after: hook('onSend', rejecting) },
    'onSend that always fails': { status: 503, after: hook('onSend', done) },
    'onSend that throws where an error handler throws too': {
      status: 503,
      after: (app) => { hook('onSend', fail)(app); app.setErrorHandler(fail) }
    },
    'onSend that throws something else': {
      status: 500,
      after: hook('onSend', () => { throw { code: 5 } }) // eslint-disable-line no-throw-literal
    },
    'onSend that rejects with something else': {
      status: 500,
      after: hook('onSend', async () => { throw 'text' }) // eslint-disable-line no-throw-literal
    },
    'onSend that rejects with what cannot be looked at': {
      status: 500,
      after: hook('onSend', async () => { throw new Proxy(failing(503), { get: fail }) })
    },
    'onSend that throws nothing': {
      status: 500,
      after: hook('onSend', () => { throw undefined }) // eslint-disable-line no-throw-literal
    },
    'onSend that throws, of a refusal': {
      status: 401,
      path: '/guarded',
      after: hook('onSend', fail)
    },
    'onError that throws': { status: 500, path: '/fails', after: hook('onError', fail) },
    'onError that rejects': { status: 500, path: '/fails', after: hook('onError', rejecting) },
    'onResponse that throws': { status: 401, path: '/guarded', after: hook('onResponse', fail) },
    'preSerialization that throws': {
      status: 503,
      path: '/fails',
      after: (app) => { hook('preSerialization', fail)(app); app.setErrorHandler(async () => ({})) }
    },
    'a serializer of replies that throws': {
      status: 503,
      path: '/fails',
      after: (app) => { app.setReplySerializer(fail).setErrorHandler(async () => ({})) }
    },
    'an error handler that throws at once': {
      status: 503,
      path: '/fails',
      after: (app) => { app.setErrorHandler(fail) }
    }
  }
}

async function createRefusing (t: Test, {
  before,
  after,
  options,
  constraints = {}
}: Refusing, transport: object = {}): Promise<FastifyInstance> {
  const app = Fastify({ ...transport, ...options }) as unknown as FastifyInstance
  t.teardown(() => app.close())
  before?.(app)
  await app.register(socketRoutes)
  after?.(app)
  app.get('/rest', async () => 'REST')
  app.socketRoute('/chat/:room', { onOpen: () => 'in' }, {
    constraints,
    connections: { perIp: 5 },
    schema: { querystring: { type: 'object', properties: { size: { type: 'integer' } } } }
  })
  app.socketRoute('/guarded', { onOpen: () => 'in' }, {
    isGranted: async () => false,
    tokenFrom: []
  })
  app.socketRoute('/fails', { onOpen: () => 'in' }, {
    preHandler: async () => { throw failing(500) }
  })
  return app
}

const transports: Record<string, object> = {
  HTTP: {},
  HTTPS: { https: tls },
  'HTTP/2 with allowHTTP1': { http2: true, https: { ...tls, allowHTTP1: true } }
}
for (const [name, transport] of Object.entries(transports)) {
  const open = (port: number): Socket => name === 'HTTP'
    ? connectTcp(port, '127.0.0.1')
    : connectTls(port, '127.0.0.1', { ca: tls.cert, servername: 'localhost' })
  for (const [what, refusal] of Object.entries(refusing)) {
    t.test(`an upgrade rejected by ${what} ends its connection: ${name}`, async (t) => {
      const app = await createRefusing(t, refusal, transport)
      const url = await app.listen({ port: 0, host: '127.0.0.1' })
      const socket = open(Number(new URL(url).port))
      socket.write(handshake(refusal.path ?? '/chat/x', refusal.headers))
      const answer = await readAll(socket)
      t.match(answer, new RegExp(`^HTTP/1\\.1 ${refusal.status} `))
      const [head] = answer.split('\r\n\r\n') as [string]
      t.match(head, /^connection: (?:upgrade, )?close$/im)
      t.notMatch(head, /keep-alive|^connection:[^]*^connection:/im)
      if (what.includes('stream')) t.match(answer, /y\r\n0\r\n\r\n$/, 'to its end')
    })
  }
}

t.test('so does one to the second address of localhost', async (t) => {
  const app = await createRefusing(t, refusing['an address that cannot be decoded']!)
  giveTwoAddresses(t)
  await app.listen({ port: 0, host: 'localhost' })
  const socket = connectTcp((app.server.address() as AddressInfo).port, '127.0.0.2')
  socket.write(handshake('/chat/%zz'))
  t.match(await readAll(socket), /^HTTP\/1\.1 400 [^]*connection: close/i)
})

t.test('an upgrade whose hook sends no response is cut after handshakeTimeout', async (t) => {
  const clock = new TestClock()
  const app = Fastify()
  t.teardown(() => clock.during(app.close()))
  app.addHook('onRequest', async (_request, reply) => { reply.hijack() })
  await app.register(socketRoutes, { [kClock]: clock } as object)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connectTcp(Number(new URL(url).port), '127.0.0.1')
  socket.write(handshake('/'))
  const end = readAll(socket)
  await clock.advance(10_001)
  t.equal(await end, '')
})

for (const [what, prepare] of Object.entries({
  'what runs before there is a request': (app: FastifyInstance) => {
    app.setGenReqId(() => { throw failing(503) })
  },
  'an onSend hook that fails with no error': (app: FastifyInstance) => {
    app.addHook('onSend', async () => { throw 'text' }) // eslint-disable-line no-throw-literal
  }
})) {
  t.test(`an upgrade that fails by ${what} is in the log`, async (t) => {
    const lines: Array<{ level: number, msg: string, err: { message: string } }> = []
    const app = Fastify({
      logger: {
        level: 'error',
        stream: { write: (line: string) => { lines.push(JSON.parse(line)) } }
      }
    })
    t.teardown(() => app.close())
    await app.register(socketRoutes)
    prepare(app)
    app.socketRoute('/', { onOpen: () => 'in' })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const socket = connectTcp(Number(new URL(url).port), '127.0.0.1')
    socket.write(handshake('/'))
    t.match(await readAll(socket), /^HTTP\/1\.1 500 .*"message":"The upgrade has failed"/s)
    t.match(lines, [{ level: 50, msg: 'an upgrade has failed' }])
  })
}

t.test('the other headers of a refusal are as hooks have set them', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(socketRoutes)
  app.addHook('onRequest', async (_request, reply) => {
    reply.raw.setHeader('X-Raw', 'raw')
    return await reply.code(402).header('Set-Cookie', ['a=1', 'b=2']).header('X-Count', 5).send(
      'no'
    )
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connectTcp(Number(new URL(url).port), '127.0.0.1')
  socket.write(handshake('/'))
  const lines = (await readAll(socket)).split('\r\n').map((line) => line.toLowerCase())
  for (const line of [
    'x-raw: raw',
    'set-cookie: a=1',
    'set-cookie: b=2',
    'x-count: 5',
    'content-length: 2',
    'connection: close',
    'no'
  ]) {
    t.ok(lines.includes(line), line)
  }
})
