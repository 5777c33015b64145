// What socketRoute returns, and socketRoutes has by name.
import Fastify from 'fastify'
import type { Clients, Room, SocketRouteHandle, WsConnection } from 'fastify-socket-route'
import { is } from './expect.js'

const app = Fastify()

const chat = app.socketRoute('/chat/:room', {
  onMessage (connection, message, clients) {
    is<number>()(clients.size)
    is<boolean>()(clients.has(connection))
    const other = clients.get('an id')
    // @ts-expect-error nobody may have this id
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
is<SocketRouteHandle | undefined>()(found)
// @ts-expect-error there may be no such route
found.broadcast('hi')
// @ts-expect-error routes are added with socketRoute()
app.socketRoutes.set('chat', chat)

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
