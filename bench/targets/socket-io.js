// Socket.IO over its WebSocket transport.
import { Server } from 'socket.io'
import { serve } from './http-server.js'

const io = new Server(serve(), {
  serveClient: false,
  // Its ping is a message of its own. The runs are shorter than the interval of the others' pings.
  pingInterval: 600_000
})
io.on('connection', (socket) => {
  socket.join('room')
  socket.on('echo', (data) => { socket.emit('echo', data) })
  for (const event of ['all', 'room']) {
    socket.on(event, (data) => { socket.to('room').emit(event, data) })
  }
})
