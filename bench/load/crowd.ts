import { setTimeout as wait } from 'node:timers/promises'
import { Client } from './client.js'
import { dialects } from './dialect.js'
import { handshakeRequest, type HandshakeOptions } from './handshake-request.js'
import type { Order } from './order.js'

const WAVE = 100

/** Opens one connection, as far as that messages can be sent. */
export async function openClient (
  order: Order,
  path: string,
  user: number,
  options: Partial<HandshakeOptions> = {}
): Promise<Client> {
  const { port, isSecure, secret } = order
  const dialect = dialects[order.dialect]
  const request = handshakeRequest({
    path: dialect.path(path),
    port,
    user,
    secret,
    isSecure,
    ...options
  })
  let opened!: Promise<void>
  const client = await new Promise<Client>((resolve, reject) => {
    const client: Client = new Client({ port, isSecure }, request, (error) => {
      if (error !== undefined) reject(error)
      else {
        // At once: the first frame can be in the bytes that come with the answer.
        opened = dialect.open(client)
        resolve(client)
      }
    })
  })
  await opened
  return client
}

/** Opens many, a hundred at a time, and gives the server a moment to get done with the last. */
export async function openCrowd (
  order: Order,
  path: string,
  count: number,
  options: Partial<HandshakeOptions> = {}
): Promise<Client[]> {
  const clients: Client[] = []
  let next = 0
  await Promise.all(Array.from({ length: Math.min(WAVE, count) }, async () => {
    while (next < count) clients.push(await openClient(order, path, next++, options))
  }))
  await wait(order.settle)
  return clients
}
