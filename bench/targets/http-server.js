// The server of node:http or node:https that several targets stand on.
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { config, listens } from './child.js'

/** A server that answers each upgrade request with `onUpgrade`. */
export function serve (onUpgrade) {
  const server = config.tls === undefined ? createServer() : createSecureServer(config.tls)
  if (onUpgrade !== undefined) server.on('upgrade', onUpgrade)
  server.listen(0, '127.0.0.1', () => { listens(server.address().port) })
  return server
}
