import { generateKeyPairSync } from 'node:crypto'
import jwt, { type FastifyJWTOptions } from '@fastify/jwt'
import t, { type Test } from 'tap'
import type { WsConnection } from '../../src/index.js'
import { connect, connectAs, refusal } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, SECRET, tokenOf } from '../support/server.js'
import { mustNotBeLogged } from '../support/witness.js'

// A connection ends when the configured verifier would reject its token: not before, which would
// loop between connecting and 4401, and not later.

const seconds = () => Math.floor(Date.now() / 1000)
const renewing = {
  onOpen: () => 'in',
  onMessage: async (connection: WsConnection, message: { text: string }) => {
    await connection.renew(message.text)
    return 'renewed'
  },
  onError: (_connection: WsConnection, error: Error) => (error as { code?: string }).code
}

async function createVerifying (
  t: Test,
  verify: FastifyJWTOptions['verify'],
  options: Partial<FastifyJWTOptions> = {}
) {
  const clock = new TestClock()
  const app = await createApp(t, { jwt: false, clock })
  await app.register(jwt, {
    secret: SECRET,
    ...options,
    ...(verify === undefined ? {} : { verify })
  })
  app.socketRoute('/', renewing, { isGranted: () => true, tokenFrom: ['header', 'message'] })
  const sign = (claims: object) => {
    const token = app.jwt.sign({ sub: 'alice', ...claims })
    mustNotBeLogged(token)
    return token
  }
  return { clock, app, url: await listen(app), sign }
}

const tolerance = 20_000

// The option verify of @fastify/jwt, the claims of a token in seconds from now, and the end of its
// connection: in seconds, or never.
const ends: Array<[verify: FastifyJWTOptions['verify'], claims: {
  iat?: number
  exp?: number
  nbf?: number
}, end: undefined | number]> = [
  [{}, { exp: 10 }, 10],
  [{ clockTolerance: tolerance }, { exp: -5 }, 15],
  [{ clockTolerance: tolerance }, { exp: 10 }, 30],
  [{ clockTolerance: 1_500 }, { exp: 10 }, 12],
  [{ ignoreExpiration: true }, { exp: -5 }, undefined],
  [{ ignoreExpiration: true }, { exp: 10 }, undefined],
  [{ maxAge: 120 }, { iat: -100 }, 20],
  [{ maxAge: '2m' }, { iat: -100, exp: 900 }, 20],
  [{ maxAge: '2m', clockTolerance: tolerance }, { iat: -100, exp: -10 }, 10],
  [{ maxAge: '2m', clockTolerance: tolerance }, { iat: -100, exp: 30 }, 20],
  [{ maxAge: '2m', ignoreExpiration: true }, { iat: -100, exp: -20 }, 20],
  [{ cache: true, clockTolerance: tolerance }, { exp: -5 }, 15],
  [{ cache: 100, ignoreExpiration: true }, { exp: -5 }, undefined],
  [{ cache: true, maxAge: '2m' }, { iat: -100 }, 20],
  [{ ignoreNotBefore: true }, { nbf: 10, exp: 20 }, 20],
  [{ clockTimestamp: Date.now() - 3_600_000 }, { exp: -5 }, undefined]
]

for (const [verify, claims, end] of ends) {
  const title = `${JSON.stringify({ ...verify, clockTimestamp: verify?.clockTimestamp && 'an hour ago' })}, ${JSON.stringify(claims)}`
  t.test(`the end of a connection is that of its verifier: ${title}`, async (t) => {
    const { clock, url, sign } = await createVerifying(t, verify)
    const start = seconds()
    const token = sign(Object.fromEntries(Object.entries(claims).map(([name, time]) => [
      name,
      start + time
    ])))
    const client = await connectAs(token, url)
    t.equal(await client.next(), 'in')
    const reached = (time: number) => clock.advance((start + time) * 1000 - clock.unixNow())
    await reached((end ?? 60) - 2)
    t.equal(client.socket.readyState, 1, 'not before')
    if (end === undefined) return
    await reached(end + 2)
    t.strictSame(await client.closed, { code: 4401, reason: 'token expired' })
    // The verifier has the machine's clock, and takes it still.
    t.equal(
      (await refusal(url, [], { headers: { authorization: `Bearer ${token}` } })).body.code,
      'FSR_ERR_TOKEN_EXPIRED',
      'and it does not come in again'
    )
  })
}

t.test('a renewal and a first message end like the verifier as well', async (t) => {
  const { clock, url, sign } = await createVerifying(t, { clockTolerance: tolerance })
  const exp = seconds() - 5
  const client = await connect(url)
  client.send(sign({ exp }))
  t.equal(await client.next(), 'in')
  await clock.advance(10_000)
  const later = seconds() + 10
  client.send(sign({ exp: later - 5 }))
  t.equal(await client.next(), 'renewed')
  await clock.advance(10_000)
  t.equal(client.socket.readyState, 1)
  client.send(sign({ exp }))
  t.equal(await client.next(), 'FSR_ERR_TOKEN_EXPIRED', 'by the clock of the app')
  await clock.advance(10_000)
  t.equal((await client.closed).code, 4401)
})

t.test('a user who has expired before the upgrade is rejected, however verified', async (t) => {
  const app = await createApp(t)
  app.addHook('onRequest', async (request) => {
    await request.jwtVerify({ verify: { ignoreExpiration: true } } as never)
  })
  app.socketRoute('/', renewing, 'ROLE_USER')
  app.socketRoute('/open', renewing)
  const url = await listen(app)
  for (const path of ['/', '/open']) {
    t.match(await refusal(url + path, [], {
      headers: { authorization: `Bearer ${tokenOf(app, undefined, { exp: seconds() - 5 })}` }
    }), {
      status: 401,
      body: { code: 'FSR_ERR_TOKEN_EXPIRED' },
      headers: {
        'www-authenticate': 'Bearer error="invalid_token"'
      }
    })
  }
})

t.test('requireExpiry cannot hold where the verifier takes tokens for ever', async (t) => {
  for (const verify of [{ ignoreExpiration: true }, { clockTimestamp: 5 }]) {
    const app = await createApp(t, { jwt: false, plugin: { requireExpiry: true } })
    await app.register(jwt, { secret: SECRET, verify })
    app.socketRoute('/', renewing, 'ROLE_USER')
    await t.rejects(
      async () => { await app.ready() },
      { code: 'FSR_ERR_OPTION_INVALID', message: /requireExpiry/ }
    )
  }
  const app = await createApp(t, { jwt: false, plugin: { requireExpiry: true } })
  await app.register(jwt, { secret: SECRET, verify: { ignoreExpiration: true, maxAge: '1h' } })
  app.socketRoute('/', renewing, () => true)
  app.socketRoute('/open', renewing)
  t.equal(
    await (await connectAs(app.jwt.sign({ sub: 'alice' }), await listen(app))).next(),
    'in',
    'maxAge is an end'
  )
})

const rsa = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
})
const ec = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
})
const okp = generateKeyPairSync('ed25519', {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
})

t.test('tokens verified by keys of every kind expire', async (t) => {
  const kinds: Record<string, FastifyJWTOptions> = {
    RS256: {
      secret: { private: rsa.privateKey, public: rsa.publicKey },
      sign: { algorithm: 'RS256' }
    },
    ES256: {
      secret: { private: ec.privateKey, public: ec.publicKey },
      sign: { algorithm: 'ES256' }
    },
    EdDSA: {
      secret: { private: okp.privateKey, public: okp.publicKey },
      sign: { algorithm: 'EdDSA' }
    },
    async: { secret: async () => SECRET },
    callback: { secret: (_request, _token, callback) => { callback(null, SECRET) } },
    'public key by an async function': {
      secret: { private: rsa.privateKey, public: (async () => rsa.publicKey) as never },
      sign: { algorithm: 'RS256' }
    }
  }
  for (const [name, options] of Object.entries(kinds)) {
    const { clock, app, url } = await createVerifying(t, { clockTolerance: tolerance }, options)
    const signing = await createApp(t, { jwt: false })
    await signing.register(jwt, {
      ...options,
      secret: typeof options.secret === 'function'
        ? SECRET
        : typeof (options.secret as { public?: unknown }).public === 'function'
          ? { private: rsa.privateKey, public: rsa.publicKey }
          : options.secret
    })
    const token = signing.jwt.sign({ sub: 'alice', exp: seconds() - 5 })
    const client = await connectAs(token, url)
    t.equal(await client.next(), 'in', name)
    client.send(signing.jwt.sign({ sub: 'alice', exp: seconds() + 5 }))
    t.equal(await client.next(), 'renewed', name)
    await clock.advance(28_000)
    t.equal((await client.closed).code, 4401, name)
    await clock.during(app.close())
  }
})
