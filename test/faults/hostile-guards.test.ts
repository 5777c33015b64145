import t from 'tap'
import { WebSocket } from 'ws'
import type { SocketRouteOptions } from '../../src/index.js'
import { failures, nonsense, type Hostile } from '../support/hostile.js'
import {
  atOnce,
  checkPlaces,
  statusOf,
  type Meeting,
  type Place
} from '../support/hostile-place.js'

// Every function that an app can give to the plugin, and that is called before a 101, fails in
// every way there is. The process goes on, the client that has met it is refused or served, never
// let in past a guard, and others are not affected.

const guarded: () => SocketRouteOptions = () => ({ isGranted: 'ROLE_USER' })
const anyone: () => SocketRouteOptions = () => ({ isGranted: () => true })
const withTickets = (): SocketRouteOptions => ({ isGranted: 'ROLE_USER', tokenFrom: ['ticket'] })

// Claims, each of which fails when it is read.
function claimsOf (hostile: Hostile): object {
  return Object.defineProperties(
    {},
    Object.fromEntries(['sub', 'iss', 'iat', 'exp', 'roles'].map((name) => [
      name,
      { enumerable: true, get: hostile }
    ]))
  )
}

// A hook of the app puts a user on the request.
const user = (make: (hostile: Hostile) => unknown): NonNullable<Place['prepare']> => (
  app,
  hostile
) => {
  app.addHook('preValidation', async (request) => { request.user = make(hostile) as never })
}

const header = (make: (hostile: Hostile) => unknown): NonNullable<Place['prepare']> => (
  app,
  hostile
) => {
  app.addHook('onSend', async (_request, reply) => { reply.header('x-of-app', make(hostile)) })
}

// A route of REST asks for something of the plugin, and answers what becomes of it.
async function inject ({ t, app, headers, what }: Meeting): Promise<void> {
  const { statusCode } = await app.inject({ url: '/rest', headers })
  t.ok(statusCode === 200 || statusCode >= 400, what)
}

// Whether or not it is let in, there is an answer.
async function met ({ t, url, headers, what }: Meeting): Promise<void> {
  t.ok(await statusOf(url, [], headers), what)
}

// It is too late for an answer: the connection is cut at once.
async function cut ({ t, url, headers, what }: Meeting): Promise<void> {
  await t.rejects(statusOf(url, [], headers), { code: 'ECONNRESET' }, what)
}

const places: Record<string, Place> = {
  origins: {
    isGuard: true,
    headers: { origin: 'https://page.example' },
    plugin: (hostile) => ({ origins: hostile as never })
  },
  leaveUpgrades: { plugin: (hostile) => ({ leaveUpgrades: hostile as never }) },
  'isGranted of the plugin': {
    isGuard: true,
    plugin: (hostile) => ({ isGranted: hostile as never })
  },
  'isGranted of a route': { isGuard: true, route: (hostile) => ({ isGranted: hostile as never }) },
  'isGranted behind another': {
    isGuard: true,
    plugin: () => ({ isGranted: async () => true }),
    route: (hostile) => ({ isGranted: hostile as never })
  },
  roles: { isGuard: true, plugin: (hostile) => ({ roles: hostile as never }), route: guarded },
  subject: {
    isGuard: true,
    forms: failures,
    plugin: (hostile) => ({ subject: hostile as never }),
    route: guarded
  },
  data: { isGuard: true, forms: failures, route: (hostile) => ({ data: hostile as never }) },
  'revocations.revokedBefore': {
    isGuard: true,
    forms: failures,
    plugin: (hostile) => ({ revocations: { revoke () {}, revokedBefore: hostile as never } }),
    route: guarded
  },
  'revocations.revoke': {
    plugin: (hostile) => ({
      revocations: { revoke: hostile as never, revokedBefore: () => undefined }
    }),
    meets: async ({ app }) => { await app.socketRevoke({ sub: 'bob' }).catch(() => {}) }
  },
  'tickets.store.take': {
    isGuard: true,
    query: '?ticket=none',
    plugin: (hostile) => ({ tickets: { store: { put () {}, take: hostile as never } } }),
    route: withTickets
  },
  'tickets.store.put': {
    plugin: (hostile) => ({ tickets: { store: { put: hostile as never, take: () => undefined } } }),
    route: withTickets,
    prepare (app) {
      app.get('/rest', async (request) => await app.socketTicket(request, { route: '/' }))
    },
    meets: inject
  },
  'extractToken of @fastify/jwt': {
    isGuard: true,
    hasToken: false,
    jwt: (hostile) => ({ verify: { extractToken: hostile } }),
    route: guarded
  },
  'extractToken beside a user of a hook': {
    jwt: (hostile) => ({ verify: { extractToken: hostile } }),
    prepare: user(() => ({ sub: 'a' })),
    meets: met
  },
  'formatUser of @fastify/jwt': {
    isGuard: true,
    jwt: (hostile) => ({ formatUser: hostile }),
    route: guarded
  },
  'formatUser before a predicate': {
    isGuard: true,
    forms: failures,
    jwt: (hostile) => ({ formatUser: hostile }),
    route: anyone
  },
  'members of a user of formatUser': {
    isGuard: true,
    forms: atOnce,
    jwt: (hostile) => ({ formatUser: () => claimsOf(hostile) }),
    route: guarded
  },
  // It calls the `then` of the result, and loses a promise whose own was replaced.
  'trusted of @fastify/jwt': {
    isGuard: true,
    forms: failures.filter(([what]) => !what.includes('then was replaced')),
    jwt: (hostile) => ({ trusted: hostile }),
    route: guarded
  },
  'a user of a hook': {
    isGuard: true,
    forms: nonsense,
    prepare: user((hostile) => hostile()),
    route: guarded
  },
  'members of a user of a hook': {
    isGuard: true,
    forms: atOnce,
    prepare: user(claimsOf),
    route: guarded
  },
  'members of a user on a route without a guard': {
    isGuard: true,
    forms: failures.filter(([what]) => what.startsWith('throws')),
    hasToken: false,
    prepare: user(claimsOf)
  },
  verifyClient: {
    isGuard: true,
    forms: failures,
    plugin: (hostile) => ({ websocket: { options: { verifyClient: hostile as never } } })
  },
  'verifyClient with a callback': {
    isGuard: true,
    forms: failures,
    plugin: (hostile) => ({
      websocket: {
        options: { verifyClient: ((_info: object, _done: object) => hostile()) as never }
      }
    })
  },
  'what verifyClient gives to its callback': {
    isGuard: true,
    forms: failures,
    plugin: (hostile) => ({
      websocket: { options: { verifyClient: (_info, done) => { done(hostile() as never) } } }
    })
  },
  'headers of verifyClient': {
    isGuard: true,
    forms: nonsense,
    plugin: (hostile) => ({
      websocket: {
        options: { verifyClient: (_info, done) => { done(false, 403, 'no', hostile() as never) } }
      }
    })
  },
  'a WebSocket class of the app': {
    forms: failures.filter(([what]) => what.startsWith('throws')),
    plugin: (hostile) => ({
      websocket: {
        options: {
          WebSocket: class extends WebSocket {
            constructor (...given: ConstructorParameters<typeof WebSocket>) {
              super(...given)
              hostile()
            }
          } as never
        }
      }
    }),
    meets: cut
  },
  'a listener to headers': {
    forms: atOnce,
    prepare: (app, hostile) => { app.websocketServer.on('headers', hostile) },
    meets: met
  },
  'a header that a hook has set': {
    forms: nonsense.filter(([what]) => !what.includes('revoked')),
    prepare: header((hostile) => hostile()),
    meets: met
  },
  'the text of a header that a hook has set': {
    forms: atOnce,
    prepare: header((hostile) => ({ toString: hostile })),
    meets: met
  }
}

checkPlaces(t, places)
