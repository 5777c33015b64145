// Typing errors in names are found.
import Fastify from 'fastify'
import socketRoutes, {
  type SocketPluginOptions,
  type SocketRouteOptions
} from 'fastify-socket-route'

const app = Fastify()

app.socketRoute('/all', { onOpen () {} }, {
  isGranted: 'ROLE_USER',
  name: 'all',
  schema: {},
  protocols: ['chat.v1'],
  onRequest: async () => {},
  preValidation: [async () => {}],
  preHandler: (_request, _reply, done) => { done() },
  config: {},
  constraints: { host: 'example.test' },
  logLevel: 'warn',
  roles: 'scope',
  roleHierarchy: { ROLE_ADMIN: ['ROLE_USER'] },
  tokenFrom: ['header', 'protocol', 'cookie'],
  jwt: { namespace: 'access', jwtVerify: 'verifyAccess' },
  subject: ({ tenant, sub }) => `${String(tenant)}/${String(sub)}`,
  maxPayload: 1024,
  concurrency: 2,
  outbox: { limit: 1024, overflow: 'drop-oldest', notice: (dropped) => ({ missed: dropped }) },
  roomsPerConnection: 10,
  closeTimeout: 1000
})
// @ts-expect-error a typo
app.socketRoute('/a', { onOpen () {} }, { nmae: 'a' })
// @ts-expect-error a typo beside a role
app.socketRoute('/a', { onOpen () {} }, { isGranted: 'ROLE_USER', nmae: 'a' })
// @ts-expect-error a typo beside a predicate
app.socketRoute('/a', { onOpen () {} }, { isGranted: () => true, nmae: 'a' })
// @ts-expect-error a typo in the name that matters most
app.socketRoute('/a', { onOpen () {} }, { isGrantd: 'ROLE_USER', name: 'a' })
// @ts-expect-error a typo further down
app.socketRoute('/a', { onOpen () {} }, { outbox: { limt: 1 } })
// @ts-expect-error a promise cannot be sent
app.socketRoute('/a', { onOpen () {} }, { outbox: { notice: async () => 'missed' } })
// @ts-expect-error not a source
app.socketRoute('/a', { onOpen () {} }, { tokenFrom: ['body'] })
// @ts-expect-error not a number
app.socketRoute('/a', { onOpen () {} }, { maxPayload: '64kB' })
// @ts-expect-error an option of the whole plugin
app.socketRoute('/a', { onOpen () {} }, { drain: { deadline: 1 } })

// @ts-expect-error a typo in a callback
app.socketRoute('/a', { onOpen () {}, onMesage () {} })
// @ts-expect-error a typo in the only callback
app.socketRoute('/a', { onMesage () {} })
// @ts-expect-error as browsers spell it
app.socketRoute('/a', { onOpen () {}, onmessage () {} })
// @ts-expect-error a typo where a role is given
app.socketRoute('/a', { onOpen () {}, onMesage () {} }, 'ROLE_USER')
// @ts-expect-error a typo where options are given
app.socketRoute('/a', { onOpen () {}, onMesage () {} }, { isGranted: 'ROLE_USER' })
// @ts-expect-error not a function
app.socketRoute('/a', { onOpen: 'hi' })
// @ts-expect-error no controller
app.socketRoute('/a')

app.socketScope({ isGranted: ['ROLE_USER'], maxPayload: 1024 }).socketRoute('/a', { onOpen () {} })
// @ts-expect-error an option of a route
app.socketScope({ name: 'a' })
// @ts-expect-error not a grant
app.socketScope({ isGranted: 1 })

await app.register(socketRoutes)
await app.register(socketRoutes, {})
await app.register(socketRoutes, {
  isGranted: 'ROLE_USER',
  drain: { deadline: 1000 },
  compression: { threshold: 100 },
  maxFragments: 100,
  websocket: { options: { skipUTF8Validation: true } },
  prefix: '/v1'
})
// @ts-expect-error a typo
await app.register(socketRoutes, { maxPayloads: 1024 })
// @ts-expect-error not a number
await app.register(socketRoutes, { maxPayload: '64kB' })

// `undefined` is allowed for an option, as for a missing one (exactOptionalPropertyTypes).
export const optional: SocketRouteOptions & SocketPluginOptions = {
  name: undefined,
  maxPayload: undefined,
  drain: undefined
}
app.socketRoute('/a', { onOpen () {} }, { name: undefined })
// @ts-expect-error but not for a guard, which would be lost
app.socketRoute('/a', { onOpen () {} }, { isGranted: undefined })

// A ticket, for a request of any generics and type provider.
app.post<{ Body: { room: string }, Params: { id: string }, Headers: { 'x-a': string } }>(
  '/ticket/:id',
  async (request) => expectTicket(await app.socketTicket(request, { route: 'chat' }))
)
app.socketRoute('/a', { onOpen () {} }, {
  isGranted: 'ROLE_USER',
  tokenFrom: ['ticket', 'query', 'message']
})
app.get('/health', { logLevel: 'silent' }, app.socketHealth)
// @ts-expect-error no such place
app.socketRoute('/a', { onOpen () {} }, { tokenFrom: ['url'] })
// @ts-expect-error without a route
export const ticket = async () => await app.socketTicket({ headers: {} }, {})
await app.register(socketRoutes, {
  tickets: { ttl: 1000, store: { put () {}, take: async () => null } }
})
// @ts-expect-error a store that cannot take
await app.register(socketRoutes, { tickets: { store: { put () {} } } })

function expectTicket (ticket: string): string {
  return ticket
}
// @ts-expect-error a subject is known at once
app.socketRoute('/a', { onOpen () {} }, { subject: async () => 'alice' })
// @ts-expect-error no namespace
app.socketRoute('/a', { onOpen () {} }, { jwt: { jwtVerify: 'verifyAccess' } })
app.socketRoute('/a', { onOpen () {} }, { jwt: 'access', subject: 'email' })
app.socketRevoke({ sub: 5, iss: 'https://id.example' })
// @ts-expect-error without a user
app.socketRevoke({ iss: 'https://id.example' })
