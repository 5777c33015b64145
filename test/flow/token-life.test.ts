import { once } from 'node:events'
import t from 'tap'
import { systemClock } from '../../src/clock.js'
import type { WsConnection } from '../../src/index.js'
import { connect, connectAs, refusal } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'

const seconds = () => Math.floor(Date.now() / 1000)
const soon = () => seconds() + 60

// P22
t.test('a connection ends with its token: 4401, with a goodbye', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute(
    '/',
    { onOpen: () => 'in', onClose: (_connection, { code }) => `closed with ${code}` },
    'ROLE_USER'
  )
  const url = await listen(app)
  const staying = await connectAs(tokenOf(app), url)
  const client = await connectAs(tokenOf(app, undefined, { exp: soon() }), url)
  t.strictSame(await clock.during(client.closed), { code: 4401, reason: 'token expired' })
  t.strictSame(client.unread, ['in', 'closed with 4401'])
  t.equal(staying.socket.readyState, 1)
})

t.test('the user that a hook has put on the request expires as its exp says', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.addHook('onRequest', async (request) => { await request.jwtVerify().catch(() => {}) })
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  const client = await connectAs(tokenOf(app, undefined, { exp: soon() }), await listen(app))
  t.equal((await clock.during(client.closed)).code, 4401)
})

t.test('requireExpiry refuses tokens without exp', async (t) => {
  const app = await createApp(t, { plugin: { requireExpiry: true } })
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  app.socketRoute('/lax', { onOpen: () => 'in' }, { isGranted: 'ROLE_USER', requireExpiry: false })
  const url = await listen(app)
  t.equal((await refusal(url, ['bearer', tokenOf(app)])).body.code, 'FSR_ERR_TOKEN_INVALID')
  t.equal(
    await (await connect(url, ['bearer', tokenOf(app, undefined, { exp: seconds() + 60 })])).next(),
    'in'
  )
  t.equal(await (await connect(`${url}/lax`, ['bearer', tokenOf(app)])).next(), 'in')
  t.throws(
    () => app.socketRoute('/x', { onOpen: () => {} }, { requireExpiry: 1 as never }),
    { code: 'FSR_ERR_OPTION_INVALID' }
  )
})

// A route that takes a message for a new token.
const renewing = {
  onOpen: () => 'in',
  onMessage: async (connection: WsConnection, message: { text: string }) => {
    await connection.renew(message.text)
    return `renewed ${(connection.user as { roles: string[] }).roles.join()}`
  },
  onError: (_connection: WsConnection, error: Error) => (error as { code?: string }).code
}

t.test('renew() takes a new token: the connection outlives the old, with a new user', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute('/', renewing, 'ROLE_USER')
  const url = await listen(app)
  const renewed = await connectAs(tokenOf(app, undefined, { exp: soon() }), url)
  const control = await connectAs(tokenOf(app, undefined, { exp: soon() }), url)
  renewed.send(tokenOf(app, ['ROLE_USER', 'ROLE_NEW'], { exp: seconds() + 3_600 }))
  t.strictSame(await renewed.take(2), ['in', 'renewed ROLE_USER,ROLE_NEW'])
  t.equal((await clock.during(control.closed)).code, 4401)
  t.equal(renewed.socket.readyState, 1)
  renewed.send(tokenOf(app, ['ROLE_USER']))
  t.equal(await renewed.next(), 'renewed ROLE_USER', 'also one that does not expire')
})

t.test('an invalid renewal changes nothing; one without the role closes with 4403', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', renewing, 'ROLE_USER')
  const url = await listen(app)
  const client = await connectAs(tokenOf(app), url)
  await client.next()
  for (const [token, code] of [
    ['broken', 'FSR_ERR_TOKEN_INVALID'],
    [tokenOf(app, ['ROLE_USER'], { sub: 'bob' }), 'FSR_ERR_TOKEN_INVALID'],
    [tokenOf(app, ['ROLE_USER'], { exp: seconds() - 5 }), 'FSR_ERR_TOKEN_EXPIRED']
  ] as const) {
    client.send(token)
    t.equal(await client.next(), code)
  }
  client.send(tokenOf(app, ['OTHER']))
  t.strictSame(await client.closed, { code: 4403, reason: 'access revoked' })
  t.strictSame(client.unread, ['FSR_ERR_NOT_GRANTED'])
})

t.test('an unhandled rejected renewal is harmless', async (t) => {
  const app = await createApp(t)
  app.socketRoute(
    '/',
    { onMessage: (connection, message) => { connection.renew(message.text); return 'asked' } },
    'ROLE_USER'
  )
  const client = await connectAs(tokenOf(app), await listen(app))
  client.send('broken')
  client.send('broken')
  t.strictSame(await client.take(2), ['asked', 'asked'])
})

t.test("socketRevoke() closes a user's connections and rejects old tokens", async (t) => {
  const app = await createApp(t)
  app.socketRoute(
    '/',
    { onOpen: () => 'in', onMessage: renewing.onMessage, onError: renewing.onError },
    'ROLE_USER'
  )
  app.socketRoute('/other', { onOpen: () => 'in' }, 'ROLE_USER')
  app.socketRoute('/open', { onOpen: () => 'in' })
  const url = await listen(app)
  const old = tokenOf(app, undefined, { iat: seconds() - 60 })
  const alice = [await connectAs(old, url), await connectAs(old, `${url}/other`)]
  const bob = await connectAs(tokenOf(app, undefined, { sub: 'bob' }), url)
  const guest = await connect(`${url}/open`)
  t.equal(await app.socketRevoke({ sub: 'alice' }), 2)
  for (const client of alice) {
    t.strictSame(await client.closed, { code: 4403, reason: 'access revoked' })
  }
  t.equal((await refusal(url, ['bearer', old])).body.code, 'FSR_ERR_TOKEN_INVALID')
  t.equal(
    (await refusal(url, ['bearer', tokenOf(app, undefined, { iat: seconds() - 1 })])).status,
    401
  )
  t.equal(
    await (await connectAs(tokenOf(app, undefined, { iat: seconds() + 5 }), url)).next(),
    'in',
    'a new token is another matter'
  )
  t.equal(bob.socket.readyState, 1)
  t.equal(guest.socket.readyState, 1)
  t.equal(await app.socketRevoke({ sub: 'nobody', until: seconds() - 10 }), 0)
  t.equal(
    await app.socketRevoke({ sub: 'bob', before: seconds() - 1000 }),
    0,
    'bob came later than that'
  )
  t.equal((await refusal(url, ['bearer', old])).status, 401, 'a token without an end')
  for (const revocation of [
    undefined,
    null,
    'alice',
    ['alice'],
    { sub: '' },
    { sub: 0.5 },
    { sub: 2 ** 53 },
    { sub: {} },
    { sub: 'a', iss: 5 },
    { sub: 'a', before: '5' },
    { sub: 'a', until: NaN },
    { sub: 'a', before: Date.now() },
    { sub: 'a', until: Date.now() },
    { sub: 'a', untl: 5 }
  ]) {
    await t.rejects(app.socketRevoke(revocation as never), { code: 'FSR_ERR_OPTION_INVALID' })
  }
})

t.test('a revocation in this process is never shortened, and ends', async (t) => {
  const { MemoryRevocations } = await import('../../src/auth/revocation-store.js')
  const store = new MemoryRevocations(systemClock)
  const now = seconds()
  store.revoke({ sub: 'alice', before: now, until: undefined })
  store.revoke({ sub: 'alice', before: now - 100, until: now - 50 })
  store.revoke({ sub: 'bob', before: now, until: now - 1 })
  store.revoke({ sub: 'carol', before: now, until: now + 100 })
  t.equal(store.revokedBefore('alice'), now)
  t.equal(store.revokedBefore('bob'), undefined)
  t.equal(store.revokedBefore('carol'), now)
})

t.test('revocations can be kept in a store of the app', async (t) => {
  const kept = new Map<string, number>()
  const app = await createApp(t, {
    plugin: {
      revocations: {
        revoke: async ({ sub, before }) => { kept.set(sub, before) },
        revokedBefore: async (sub) => kept.get(sub)
      }
    }
  })
  app.socketRoute('/', renewing, 'ROLE_USER')
  const url = await listen(app)
  const client = await connectAs(tokenOf(app, undefined, { iat: seconds() - 60 }), url)
  await client.next()
  // On another machine, which the store has told.
  kept.set('alice', seconds() - 30)
  t.equal(
    (await refusal(url, ['bearer', tokenOf(app, undefined, { iat: seconds() - 60 })])).status,
    401
  )
  client.send(tokenOf(app, undefined, { iat: seconds() - 60 }))
  t.equal(await client.next(), 'FSR_ERR_TOKEN_INVALID')
  t.equal(await app.socketRevoke({ sub: 'alice', before: seconds() }), 1)
})

t.test('a token that is revoked between the check and the upgrade does not get in', async (t) => {
  const app = await createApp(t)
  let isAsked: undefined | (() => void)
  let answer: undefined | ((isGranted: boolean) => void)
  const asked = new Promise<void>((resolve) => { isAsked = resolve })
  app.socketRoute('/', { onOpen: () => 'in' }, async () => {
    isAsked!()
    return await new Promise<boolean>((resolve) => { answer = resolve })
  })
  const url = await listen(app)
  const refused = refusal(url, ['bearer', tokenOf(app, undefined, { iat: seconds() - 5 })])
  await asked
  t.equal(await app.socketRevoke({ sub: 'alice' }), 0)
  answer!(true)
  t.match(await refused, {
    status: 401,
    body: { code: 'FSR_ERR_TOKEN_INVALID' },
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' }
  })
})

t.test('users with a number for a subject can be revoked too', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  const url = await listen(app)
  const token = tokenOf(app, undefined, { sub: 5, iat: seconds() - 5 })
  const client = await connect(url, ['bearer', token])
  t.equal(await app.socketRevoke({ sub: '5' }), 1)
  t.equal((await client.closed).code, 4403)
  t.equal((await refusal(url, ['bearer', token])).status, 401)
})

t.test('socketRevoke() closes and counts connections also if the store fails', async (t) => {
  let isBroken = false
  const app = await createApp(t, {
    plugin: {
      revocations: {
        revoke: () => { if (isBroken) throw new Error('out of order') },
        revokedBefore: () => undefined
      }
    }
  })
  let release: undefined | (() => void)
  app.socketRoute(
    '/',
    {
      onOpen: () => 'in',
      onClose: async () => { await new Promise<void>((resolve) => { release = resolve }) }
    },
    'ROLE_USER'
  )
  const url = await listen(app)
  const token = tokenOf(app, undefined, { iat: seconds() - 5 })
  const first = await connectAs(token, url)
  t.equal(await app.socketRevoke({ sub: 'alice' }), 1)
  t.equal(await app.socketRevoke({ sub: 'alice' }), 0, 'it is closing already')
  release!()
  t.equal((await first.closed).code, 4403)
  isBroken = true
  const second = await connectAs(tokenOf(app, undefined, { sub: 'bob', iat: seconds() - 5 }), url)
  await t.rejects(app.socketRevoke({ sub: 'bob' }), { message: 'out of order' })
  release!()
  t.equal((await second.closed).code, 4403)
})

t.test('the later of two renewals holds, whichever is faster', async (t) => {
  const app = await createApp(t)
  const answers: Array<() => void> = []
  let isOpen = false
  app.socketRoute('/', {
    onOpen: () => { isOpen = true; return 'in' },
    onMessage: async (connection, message) => {
      const renewals = (message.json<string[]>()).map(async (token) => {
        await connection.renew(token)
      })
      await Promise.resolve()
      while (answers.length < 2) await new Promise(setImmediate)
      for (const answer of answers.reverse()) { answer(); await new Promise(setImmediate) }
      await Promise.all(renewals)
      return (connection.user as { name: string }).name
    }
  }, async () => {
    if (isOpen) await new Promise<void>((resolve) => { answers.push(resolve) })
    return true
  })
  const client = await connectAs(tokenOf(app), await listen(app))
  client.send(JSON.stringify([
    tokenOf(app, [], { name: 'first' }),
    tokenOf(app, [], { name: 'second' })
  ]))
  t.strictSame(await client.take(2), ['in', 'second'])
})

t.test('a renewal that is refused after a later one has succeeded closes nothing', async (t) => {
  const app = await createApp(t)
  const answers: Array<(isGranted: boolean) => void> = []
  let isOpen = false
  app.socketRoute('/', {
    onOpen: () => { isOpen = true; return 'in' },
    onMessage: async (connection, message) => {
      const renewals = message.json<string[]>().map((token) => connection.renew(token))
      while (answers.length < 2) await new Promise(setImmediate)
      answers[1]!(true)
      await renewals[1]
      answers[0]!(false)
      const [first] = await Promise.allSettled(renewals)
      return `${first!.status} ${(connection.user as { name: string }).name}`
    }
  }, () => !isOpen || new Promise<boolean>((resolve) => { answers.push(resolve) }))
  const client = await connectAs(tokenOf(app), await listen(app))
  client.send(JSON.stringify([
    tokenOf(app, [], { name: 'first' }),
    tokenOf(app, [], { name: 'second' })
  ]))
  t.strictSame(await client.take(2), ['in', 'rejected second'])
  client.socket.ping()
  await once(client.socket, 'pong')
})

t.test("the verified token's claims count, also if a hook has replaced the headers", async (t) => {
  const app = await createApp(t, {
    plugin: { tokenFrom: ['protocol', 'header'], requireExpiry: true }
  })
  app.addHook('onRequest', async (request) => {
    request.headers = { ...request.headers, 'x-tenant': 'a' }
  })
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  const url = await listen(app)
  const good = tokenOf(app, undefined, { exp: seconds() + 60 })
  const forged = `x.${Buffer.from(JSON.stringify({ sub: 'bob', exp: seconds() + 1_000_000 })).toString('base64url')}.x`
  t.equal(
    (await refusal(url, ['bearer', forged], {
      headers: { authorization: `Bearer ${good}` }
    })).body.code,
    'FSR_ERR_TOKEN_INVALID'
  )
  t.equal(await (await connect(url, ['bearer', good])).next(), 'in')
})

t.test('a token revoked during the last hooks is rejected', async (t) => {
  const app = await createApp(t)
  const revocations: Array<{ sub: string, iss?: string }> = [
    { sub: 'alice' },
    { sub: 'bob' },
    { sub: 'carol', iss: 'x' }
  ]
  app.socketRoute('/', { onOpen: () => 'in' }, {
    isGranted: 'ROLE_USER',
    preHandler: async () => { await app.socketRevoke(revocations.shift()!) }
  })
  const url = await listen(app)
  for (const claims of [{}, { sub: 'bob', iss: 'x' }, { sub: 'carol', iss: 'x' }]) {
    t.equal(
      (await refusal(url, [
        'bearer',
        tokenOf(app, undefined, { iat: seconds() - 5, ...claims })
      ])).body.code,
      'FSR_ERR_TOKEN_INVALID'
    )
  }
})

t.test('a user revoked at any moment does not stay connected', async (t) => {
  const app = await createApp(t)
  // After some microtasks, of which one is between the last check and the opening.
  const isGranted = async (user: unknown): Promise<boolean> => {
    const { sub, after } = user as { sub: string, after: number }
    let moment = Promise.resolve()
    for (let count = 0; count < after; count++) moment = moment.then(() => {})
    moment.then(() => { app.socketRevoke({ sub }) })
    return true
  }
  app.socketRoute('/', { onOpen: () => 'in' }, { isGranted, tokenFrom: ['message'] })
  const url = await listen(app)
  for (let after = 0; after < 16; after++) {
    const client = await connect(url)
    client.send(tokenOf(app, undefined, { sub: `user ${after}`, after, iat: seconds() - 5 }))
    const { code } = await client.closed
    t.ok(code === 4401 || code === 4403, `${after}: ${code}`)
  }
})

t.test('a token revoked during its renewal is not taken, the old one counts', async (t) => {
  const app = await createApp(t)
  const issued = seconds()
  let asked = 0
  app.socketRoute('/', renewing, async () => {
    if (++asked > 1) await app.socketRevoke({ sub: 'alice', before: issued - 50 })
    return true
  })
  const client = await connectAs(tokenOf(app, undefined, { iat: issued }), await listen(app))
  t.equal(await client.next(), 'in')
  client.send(tokenOf(app, undefined, { iat: issued - 100 }))
  t.equal(await client.next(), 'FSR_ERR_TOKEN_INVALID')
  t.equal(client.socket.readyState, 1)
})

t.test('a token that expires during its upgrade or first message is rejected', async (t) => {
  for (const where of ['isGranted', 'preHandler', 'data'] as const) {
    const clock = new TestClock()
    const app = await createApp(t, { clock, plugin: { tokenFrom: ['header', 'message'] } })
    let opened = 0
    const sleep = (): void => { clock.sleep(60_000) }
    app.socketRoute('/', { onOpen: () => { opened++ } }, {
      isGranted: async () => { if (where === 'isGranted') sleep(); return true },
      ...(where === 'preHandler' && { preHandler: async () => { sleep() } }),
      ...(where === 'data' && { data: async () => { sleep(); return {} } })
    })
    const url = await listen(app)
    const token = tokenOf(app, [], { exp: Math.floor(clock.unixNow() / 1000) + 30 })
    t.match(
      await refusal(url, [], { headers: { authorization: `Bearer ${token}` } }),
      {
        status: 401,
        body: { code: 'FSR_ERR_TOKEN_EXPIRED' },
        headers: { 'www-authenticate': /Bearer/ }
      },
      where
    )
    if (where === 'isGranted') {
      const client = await connect(url)
      client.send(tokenOf(app, [], { exp: Math.floor(clock.unixNow() / 1000) + 30 }))
      t.strictSame(await client.closed, { code: 4401, reason: 'token expired' })
    }
    t.equal(opened, 0)
  }
})
