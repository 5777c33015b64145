// uWebSockets.js, which is native: the ceiling.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import uws from '@trufflesuite/uws-js-unofficial'
import { config, listens } from './child.js'
import { admit } from './guard.js'
import { reply } from './reply.js'

function create () {
  if (config.tls === undefined) return uws.App()
  // It reads them from files.
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const [key, cert] = ['key', 'cert'].map((name) => join(directory, name))
  writeFileSync(key, config.tls.key)
  writeFileSync(cert, config.tls.cert)
  const app = uws.SSLApp({ key_file_name: key, cert_file_name: cert })
  rmSync(directory, { recursive: true })
  return app
}

const app = create()
const options = {
  maxPayloadLength: 1_048_576,
  maxBackpressure: 67_108_864,
  compression: config.compression ? uws.SHARED_COMPRESSOR : uws.DISABLED
}
const echo = {
  ...options,
  message: (socket, message, isBinary) => { socket.send(message, isBinary) }
}
const relay = (topic) => ({
  ...options,
  open: (socket) => { socket.subscribe(topic) },
  message: (socket, message, isBinary) => {
    socket.publish(topic, message, isBinary, config.compression)
  }
})
app.ws('/echo', echo)
app.ws('/open', echo)
app.ws('/all', relay('all'))
app.ws('/room', relay('room'))
app.ws('/json', {
  ...options,
  message: (socket, message) => {
    socket.send(JSON.stringify(reply(JSON.parse(Buffer.from(message).toString()))), false)
  }
})
app.ws('/guarded', {
  ...echo,
  upgrade (response, request, context) {
    const { status, user } = admit(request.getHeader('authorization'))
    if (status !== undefined) {
      response.writeStatus(`${status} Refused`).end()
      return
    }
    const [key, protocol, extensions] = ['key', 'protocol', 'extensions'].map(
      (name) => request.getHeader(`sec-websocket-${name}`)
    )
    response.upgrade({ user }, key, protocol, extensions, context)
  }
})
app.listen('127.0.0.1', 0, (token) => { listens(uws.us_socket_local_port(token)) })
