// Bare @fastify/websocket, on the same Fastify as the plugin.
import fastifyJwt from '@fastify/jwt'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import { config, listens } from './child.js'
import { contractReply, reply } from './reply.js'

const app = Fastify(config.tls === undefined ? {} : { https: config.tls })
await app.register(fastifyJwt, { secret: config.secret })
await app.register(fastifyWebsocket, {
  options: {
    perMessageDeflate: config.compression
      ? {
          serverNoContextTakeover: true,
          clientNoContextTakeover: true,
          serverMaxWindowBits: 12,
          zlibDeflateOptions: { memLevel: 5 }
        }
      : false
  }
})

const echo = (socket) => {
  socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) })
}
const relay = () => {
  const room = new Set()
  return (socket) => {
    room.add(socket)
    socket.on('close', () => { room.delete(socket) })
    socket.on('message', (data, isBinary) => {
      for (const member of room) if (member !== socket) member.send(data, { binary: isBinary })
    })
  }
}
app.get('/echo', { websocket: true }, echo)
app.get('/open', { websocket: true }, echo)
app.get('/all', { websocket: true }, relay())
app.get('/room', { websocket: true }, relay())
app.get('/contract', { websocket: true }, (socket) => {
  socket.on('message', (data) => { socket.send(JSON.stringify(contractReply(JSON.parse(data)))) })
})
app.get('/json', { websocket: true }, (socket) => {
  socket.on('message', (data) => { socket.send(JSON.stringify(reply(JSON.parse(data)))) })
})
app.get('/guarded', {
  websocket: true,
  preValidation: async (request, response) => {
    await request.jwtVerify()
    if (!request.user.roles.includes('ROLE_USER')) return response.code(403).send()
  }
}, (socket, request) => {
  socket.user = request.user
  echo(socket)
})

await app.listen({ port: 0, host: '127.0.0.1' })
listens(app.server.address().port)
