// The baseline: `ws` on node:http, as its own documents show it.
import { WebSocketServer } from 'ws'
import { config } from './child.js'
import { admit } from './guard.js'
import { serve } from './http-server.js'
import { contractReply, reply } from './reply.js'

const websockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: config.compression
    ? {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 12,
        zlibDeflateOptions: { memLevel: 5 }
      }
    : false
})
const rooms = { '/all': new Set(), '/room': new Set() }

const echo = (socket) => {
  socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) })
}
const relay = (socket, path) => {
  const room = rooms[path]
  room.add(socket)
  socket.on('close', () => { room.delete(socket) })
  socket.on('message', (data, isBinary) => {
    for (const member of room) if (member !== socket) member.send(data, { binary: isBinary })
  })
}
const routes = {
  '/echo': echo,
  '/open': echo,
  '/guarded': echo,
  '/all': relay,
  '/room': relay,
  '/contract': (socket) => {
    socket.on('message', (data) => { socket.send(JSON.stringify(contractReply(JSON.parse(data)))) })
  },
  '/json': (socket) => {
    socket.on('message', (data) => { socket.send(JSON.stringify(reply(JSON.parse(data)))) })
  }
}

serve((request, socket, head) => {
  let user
  if (request.url === '/guarded') {
    const answer = admit(request.headers.authorization)
    if (answer.status !== undefined) {
      socket.end(
        `HTTP/1.1 ${answer.status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
      )
      return
    }
    user = answer.user
  }
  websockets.handleUpgrade(request, socket, head, (websocket) => {
    websocket.user = user
    routes[request.url](websocket, request.url)
  })
})
