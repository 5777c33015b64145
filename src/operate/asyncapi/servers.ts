import type { AddressInfo } from 'node:net'
import type { AsyncapiServer } from './document.js'
import { Keys } from './keys.js'

/** The servers that an app names: AsyncAPI Server Objects, or their addresses, `'wss://example.com/base'`. */
export type ServersOption = Readonly<Record<string, string | AsyncapiServer>>

/** Makes Server Objects of them. */
export function serversOf (given: ServersOption): Record<string, AsyncapiServer> {
  return Object.fromEntries(Object.entries(given).map(([name, server]) => [name, typeof server === 'string' ? serverAt(server) : server]))
}

/** Whether something is an address of WebSocket. */
export function isWebsocketUrl (url: string): boolean {
  return URL.canParse(url) && ['ws:', 'wss:'].includes(new URL(url).protocol)
}

function serverAt (url: string): AsyncapiServer {
  const { protocol, host, pathname } = new URL(url)
  return { host, protocol: protocol.slice(0, -1), pathname: pathname === '/' ? undefined : pathname }
}

/** The servers of an app that listens, each once. One that listens everywhere is told as the machine itself. */
export function serversAt (addresses: ReadonlyArray<string | Pick<AddressInfo, 'address' | 'port' | 'family'>>, isTls: boolean): Record<string, AsyncapiServer> {
  const keys = new Keys()
  const hosts = addresses.flatMap((each) => {
    // A socket of Unix has no address on the web.
    if (typeof each === 'string') return []
    const { address, port, family } = each
    const host = ['0.0.0.0', '::'].includes(address) ? 'localhost' : family === 'IPv6' ? `[${address}]` : address
    return [`${host}:${port}`]
  })
  return Object.fromEntries(hosts.map((host) => [keys.take('server', host), { host, protocol: isTls ? 'wss' : 'ws' }]))
}
