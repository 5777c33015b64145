// The handle that socketRoute returns, and that socketRoutes has by name.
import Fastify from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  AnySocketRouteHandle, Clients, Room, SocketRouteHandle, SocketRoutes, WsConnection
} from 'fastify-socket-route'
import { connect } from 'fastify-socket-route/client'
import { Type } from 'typebox'
import { is } from './expect.js'

const app = Fastify()

const chat = app.socketRoute('/chat/:room', {
  onMessage (connection, message, clients) {
    is<number>()(clients.size)
    is<boolean>()(clients.has(connection))
    const other = clients.get('an id')
    // @ts-expect-error there may be no client with this id
    other.send(message)
    for (const client of clients) {
      is<{ room: string }>()(client.params)
      client.send(message)
    }
    // @ts-expect-error which clients there are is the route's own business
    clients.delete(connection)
    // @ts-expect-error a typo
    clients.broadcast(message, { exept: connection })
  }
})
is<string>()(chat.name)
is<string>()(chat.path)
is<string>()(chat.url({ room: 'lobby' }))
is<string>()(chat.url({ room: 1 }))
chat.broadcast('hi')
for (const client of chat.clients) is<{ room: string }>()(client.params)
for (const client of chat.to('lobby').local) is<{ room: string }>()(client.params)
is<number>()(chat.to('lobby').local.size)
chat.to('lobby').send({ text: 'hi' })
chat.broadcast('hi', { except: [...chat.clients] })
// @ts-expect-error a number cannot be sent
chat.broadcast(1)
// @ts-expect-error a name is text
chat.to(1)
// @ts-expect-error not the app's to change
chat.name = 'other'

const found = app.socketRoutes.get('chat')
is<AnySocketRouteHandle | undefined>()(found)
// @ts-expect-error there may be no such route
found.broadcast('hi')
// @ts-expect-error routes are added with socketRoute()
app.socketRoutes.set('chat', chat)

// A route that is found by name may have a contract: what it takes is not known.
const any = found!
is<string>()(any.url())
for (const client of any.clients) client.close()
is<number>()(any.to('lobby').local.size)
// @ts-expect-error a route with a contract takes none of this
any.broadcast({ text: 'hi' })
// @ts-expect-error a route without a contract takes none of this
any.broadcast('said', { text: 'hi' })
// @ts-expect-error not even text
any.to('lobby').send('hi')
// @ts-expect-error not through its clients either
any.clients.broadcast('hi')
if (any.hasContract) {
  // @ts-expect-error which messages the contract has is not known
  any.broadcast('said', { text: 'hi' })
} else {
  any.broadcast({ text: 'hi' })
  any.to('lobby').send('hi')
  any.clients.broadcast('hi')
  is<SocketRouteHandle>()(any)
}

// With its type it is as where it was registered.
const Said = Type.Object({ text: Type.String() })
const typed = app.withTypeProvider<TypeBoxTypeProvider>().socketRoute('/typed/:id', {
  schema: { in: { say: { data: Said } }, out: { said: Said } },
  on: { say (connection, data) { connection.send('said', data) } }
}, { schema: { params: Type.Object({ id: Type.Integer() }) } })
const again = app.socketRoutes.get<typeof typed>('typed')!
is<typeof typed>()(again)
is<true>()(again.hasContract)
again.broadcast('said', { text: 'hi' })
for (const client of again.clients) is<number>()(client.params.id)
connect<typeof again>('/typed').send('say', { text: 'hi' })
// @ts-expect-error not the data of the message
again.broadcast('said', { txt: 'hi' })
// @ts-expect-error not a message of the contract
again.broadcast({ text: 'hi' })
const known = app.socketRoutes.get<typeof chat>('chat')!
is<false>()(known.hasContract)
for (const client of known.clients) is<{ room: string }>()(client.params)
// @ts-expect-error no type of a handle
app.socketRoutes.get<string>('chat')
// @ts-expect-error a declared variable does not give the type: it would be believed unchecked
export const believed: undefined | SocketRouteHandle = app.socketRoutes.get('typed')

// A handle with a contract is none without one, and both are handles of any route.
// @ts-expect-error it does not take any message
export const plain: SocketRouteHandle = typed
const listed: AnySocketRouteHandle[] = [chat, typed, ...app.socketRoutes.values()]
is<boolean>()(listed[0]!.hasContract)
export const routes: SocketRoutes = app.socketRoutes

// A handle of a certain route does as one of any route.
export const handles: SocketRouteHandle[] = [
  chat,
  app.socketRoute<{ Data: { count: number } }>('/numbers', { onOpen () {} })
]
export const clients: Clients = chat.clients
export const room: Room = chat.to('lobby')
export function first (handle: SocketRouteHandle<WsConnection<{
  Data: { count: number }
}>>): undefined | number {
  const [client] = handle.clients
  return client?.data.count
}

is<string>()(app.printSocketRoutes())
