// No WebSocket server at all: it answers every handshake with the same bytes, and then counts those
// that come and sends back frames that were made before it listened. Nothing that speaks the
// protocol can do less, so this shows what the generator can do.
import { createServer } from 'node:net'
import { config, listens } from './child.js'

const ACCEPTED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n' +
  'Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'
const { size, isRelay } = config.raw
const head = size < 126
  ? Buffer.from([0x81, size])
  : Buffer.from([0x81, 126, size >> 8, size & 255])
const frame = Buffer.concat([head, Buffer.alloc(size, 'x')])
const frames = Buffer.concat(Array(64).fill(frame))
// A client's frame has a mask of four bytes besides.
const asked = frame.length + 4
const members = new Set()

const server = createServer({ noDelay: true }, (socket) => {
  let isOpen = false
  let pending = 0
  members.add(socket)
  socket.on('close', () => { members.delete(socket) })
  socket.on('error', () => {})
  socket.on('data', ({ length }) => {
    if (!isOpen) {
      isOpen = true
      socket.write(ACCEPTED)
      return
    }
    pending += length
    const count = Math.floor(pending / asked)
    if (count === 0) return
    pending -= count * asked
    const answer = frames.subarray(0, count * frame.length)
    if (!isRelay) socket.write(answer)
    else for (const member of members) if (member !== socket) member.write(answer)
  })
})
server.listen(0, '127.0.0.1', () => { listens(server.address().port) })
