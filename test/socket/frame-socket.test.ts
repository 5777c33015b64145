import { Duplex } from 'node:stream'
import t from 'tap'
import type { WebSocket } from 'ws'
import { FastSocket } from '../../src/socket/fast-socket.js'
import { FrameSocket } from '../../src/socket/frame-socket.js'

type Made = new (...given: [null, undefined, object]) => WebSocket & {
  setSocket (socket: Duplex, head: Buffer, settings: object): void
}

for (const Socket of [FrameSocket, FastSocket] as unknown as Made[]) {
  t.test(`a ${Socket.name} without a connection behaves as one of ws`, async (t) => {
    const written: Buffer[] = []
    const tcp = new Duplex({
      read () {},
      write (chunk: Buffer, _encoding, callback) { written.push(chunk); callback() }
    })
    const socket = new Socket(null, undefined, {})
    socket.setSocket(tcp, Buffer.alloc(0), {})
    socket.ping()
    socket.ping('a')
    socket.pong('b')
    socket.close(1000)
    t.equal(Buffer.concat(written).toString('hex'), '8900' + '890161' + '8a0162' + '880203e8')
    socket.terminate()
    t.equal(tcp.destroyed, true)
  })
}
