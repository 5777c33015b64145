// Private parts of @fastify/jwt may be missing or different in another version.
import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { versionOf } from '../../src/host/unsupported.js'
import { jwtOf } from '../../src/host/fastify-jwt-internals.js'
import socketRoutes from '../../src/index.js'
import { connect, refusal } from '../support/client.js'
import { fastPath, listen, SECRET, tokenOf } from '../support/server.js'

// An app in which @fastify/jwt is of another version: it is changed when it has been registered.
async function changed (
  t: Test,
  change: (app: FastifyInstance) => void,
  options: object = {},
  route: object = {}
): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(jwt, { secret: SECRET, ...options })
  change(app)
  await app.register(socketRoutes, fastPath)
  app.socketRoute(
    '/',
    { onOpen: (connection) => ({ sub: (connection.user as { sub: string }).sub }) },
    { isGranted: 'ROLE_USER', ...route }
  )
  return app
}

t.test('an app whose @fastify/jwt does not tell its options is rejected at ready()', async (t) => {
  const missing = (part: string) => ({
    code: 'FSR_ERR_PACKAGE_UNSUPPORTED',
    message: new RegExp(
      `^@fastify/jwt ${versionOf('@fastify/jwt')} is not supported .*: ${part} is missing`
    )
  })
  const without = await changed(t, (app) => { Object.assign(app.jwt, { options: {} }) })
  await t.rejects(async () => without.ready(), missing('jwt\\.options\\.verify'))
  const unnamed = await changed(
    t,
    (app) => { Reflect.deleteProperty(app.jwt.options, 'decoratorName') },
    { decoratorName: 'visitor' }
  )
  await t.rejects(async () => unnamed.ready(), missing('jwt\\.options\\.decoratorName'))
  const usual = await changed(t, (app) => {
    Reflect.deleteProperty(app.jwt.options, 'decoratorName')
  })
  await t.resolves(async () => usual.ready())
  t.equal(jwtOf(usual)!.decoratorName, 'user')
})

// Counts how a version of @fastify/jwt is called, which reads the header as late as the test says.
function reading (app: FastifyInstance, delay: 'at once' | 'later'): {
  asked: Array<'header' | 'given'>
} {
  const asked: Array<'header' | 'given'> = []
  app.addHook('onRequest', async (request) => {
    const { jwtVerify } = request
    request.jwtVerify = (async (...given: [object?, (() => void)?]) => {
      // It calls itself with a callback.
      if (given.length === 2) return Reflect.apply(jwtVerify, request, given)
      asked.push(given[0] === undefined ? 'header' : 'given')
      if (delay === 'later') await Promise.resolve()
      return await Reflect.apply(jwtVerify, request, given)
    }) as FastifyRequest['jwtVerify']
  })
  return { asked }
}

t.test('a verifier that reads the header at once finds the token there', async (t) => {
  let seen: undefined | ReturnType<typeof reading>
  const app = await changed(t, (app) => { seen = reading(app, 'at once') })
  const url = await listen(app)
  for (let count = 0; count < 2; count++) {
    const client = await connect(url, ['bearer', tokenOf(app)])
    t.equal(await client.next(), '{"sub":"alice"}')
    client.socket.terminate()
  }
  t.strictSame(seen!.asked, ['header', 'header'])
})

t.test('a verifier that reads the header later is given the token instead', async (t) => {
  let seen: undefined | ReturnType<typeof reading>
  const app = await changed(
    t,
    (app) => { seen = reading(app, 'later') },
    {},
    { tokenFrom: ['protocol'] }
  )
  const url = await listen(app)
  const headers = { authorization: `Bearer ${tokenOf(app, [], { sub: 'mallory' })}` }
  for (let count = 0; count < 2; count++) {
    const client = await connect(url, ['bearer', tokenOf(app)], { headers })
    t.equal(await client.next(), '{"sub":"alice"}')
    client.socket.terminate()
  }
  t.strictSame(seen!.asked, ['header', 'given', 'given'])
  t.match(await refusal(url, ['bearer', 'forged'], { headers }), { status: 401 })
})

t.test('the header of the request is as it was after each token', async (t) => {
  const headers: unknown[] = []
  const app = await changed(t, (app) => {
    app.addHook('preHandler', async (request) => {
      headers.push(Object.getOwnPropertyDescriptor(request.raw.headers, 'authorization'))
    })
  })
  const url = await listen(app)
  const authorization = `Bearer ${tokenOf(app)}`
  for (const given of [{ authorization }, {}]) {
    const client = await connect(url, 'authorization' in given ? [] : ['bearer', tokenOf(app)], {
      headers: given
    })
    client.socket.terminate()
  }
  t.strictSame(headers, [
    { value: authorization, writable: true, enumerable: true, configurable: true },
    undefined
  ])
})

t.test('the header is restored also if the verifier throws', async (t) => {
  let calls = 0
  const app = await changed(t, (app) => {
    app.addHook('onRequest', async (request) => {
      request.jwtVerify = (() => {
        calls++
        throw new RangeError('no')
      }) as FastifyRequest['jwtVerify']
    })
  })
  const url = await listen(app)
  t.match(await refusal(url, ['bearer', tokenOf(app)]), { status: 401 })
  t.equal(calls, 1)
})
