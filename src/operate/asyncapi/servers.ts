import type { AddressInfo } from 'node:net'
import type { AsyncapiServer } from './document.js'
import { UniqueKeys } from './unique-keys.js'

/** The servers of an app: AsyncAPI Server Objects, or URLs such as `'wss://example.com/base'`. */
export type ServersOption = Readonly<Record<string, string | AsyncapiServer>>

/** Converts the servers to Server Objects. */
export function serversOf (given: ServersOption): Record<string, AsyncapiServer> {
  return Object.fromEntries(
    Object.entries(given).map(([name, server]) =>
      [name, typeof server === 'string' ? serverAt(server) : server])
  )
}

/** Whether a string is a WebSocket URL. */
export function isWebsocketUrl (url: string): boolean {
  return URL.canParse(url) && ['ws:', 'wss:'].includes(new URL(url).protocol)
}

function serverAt (url: string): AsyncapiServer {
  const { protocol, host, pathname } = new URL(url)
  return {
    host,
    protocol: protocol.slice(0, -1),
    pathname: pathname === '/' ? undefined : pathname
  }
}

/**
 * Returns the servers of an app that listens, without duplicates. A wildcard address becomes
 * `localhost`.
 */
export function serversAt (
  addresses: ReadonlyArray<string | Pick<AddressInfo, 'address' | 'port' | 'family'>>,
  isTls: boolean
): Record<string, AsyncapiServer> {
  const keys = new UniqueKeys()
  const hosts = addresses.flatMap((each) => {
    // A Unix socket has no URL.
    if (typeof each === 'string') return []
    const { address, port, family } = each
    const host = ['0.0.0.0', '::'].includes(address)
      ? 'localhost'
      : family === 'IPv6'
        ? `[${address}]`
        : address
    return [`${host}:${port}`]
  })
  return Object.fromEntries(
    hosts.map((host) => [keys.take('server', host), { host, protocol: isTls ? 'wss' : 'ws' }])
  )
}
