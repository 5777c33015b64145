// The path says which parameters a connection has.
import Fastify from 'fastify'
import type { ConnectionTypes, WsConnection } from 'fastify-socket-route'
import { is } from './expect.js'

const app = Fastify()

app.socketRoute('/chat/:room', { onOpen ({ params }) { is<{ room: string }>()(params) } })
app.socketRoute('/chat/:room/', { onOpen ({ params }) { is<{ room: string }>()(params) } })
app.socketRoute('/:team/chat/:room', {
  onOpen ({ params }) { is<{ team: string, room: string }>()(params) }
})
app.socketRoute('/chat/:room?', {
  onOpen ({ params }) { is<{ room?: string | undefined }>()(params) }
})
app.socketRoute('/:team/chat/:room?', {
  onOpen ({ params }) { is<{ team: string, room?: string | undefined }>()(params) }
})
app.socketRoute('/files/:owner/*', {
  onOpen ({ params }) { is<{ owner: string, '*': string }>()(params) }
})
app.socketRoute('/files/log*', { onOpen ({ params }) { is<{ '*': string }>()(params) } })

// Parameters that only the router can parse are strings by any name.
app.socketRoute('/chat/:room(^\\d+$)', {
  onOpen ({ params }) { is<Record<string, string>>()(params) }
})
app.socketRoute('/near/:latitude-:longitude', {
  onOpen ({ params }) { is<Record<string, string>>()(params) }
})
app.socketRoute('/chat/room-:room', {
  onOpen ({ params }) { is<Record<string, string>>()(params) }
})
app.socketRoute('/chat' as string, { onOpen ({ params }) { is<Record<string, string>>()(params) } })

// @ts-expect-error no such parameter
app.socketRoute('/chat/:room', { onOpen: ({ params }) => params.romm })
// @ts-expect-error no parameter at all
app.socketRoute('/chat', { onOpen: ({ params }) => params.room })
// @ts-expect-error it may be missing
app.socketRoute('/chat/:room?', { onOpen: ({ params }) => params.room.toUpperCase() })
// @ts-expect-error a path is a string
app.socketRoute(1, { onOpen () {} })

// Types without a path, a generic or a schema.
app.socketRoute('/chat', {
  onOpen (connection) {
    is<Record<string, string | string[]>>()(connection.query)
    is<Record<string, unknown>>()(connection.data)
    is<string | undefined>()(connection.headers.origin)
  }
})

// A connection that nothing is known of, as in a function for all routes.
export function nameOf (connection: WsConnection): string {
  is<unknown>()(connection.user)
  is<Record<string, string>>()(connection.params)
  return connection.id
}
export const isConnection = (connection: WsConnection<ConnectionTypes>) => nameOf(connection)
app.socketRoute('/chat/:room?', { onOpen: (connection) => nameOf(connection) })
