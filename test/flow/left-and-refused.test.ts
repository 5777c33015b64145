// Messages of a client that has left, once the server would have closed its connection.
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { SocketController, WsConnection } from '../../src/index.js'
import { connect, connectAs } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { until } from '../support/until.js'

interface Left {
  readonly app: FastifyInstance
  readonly handled: string[]
  /** Lets the first callback go on. */
  go (): void
}

const ways: Record<string, (connection: WsConnection) => void> = {
  closes: (connection) => { connection.close(4003) },
  terminates: (connection) => { connection.terminate() },
  throws: () => { throw new Error('not a member') }
}

// A client that sends two messages and leaves while the first callback waits.
async function leave (t: Test, fastPath: boolean | 'write', create: (
  wait: Promise<void>,
  handled: string[]
) => SocketController): Promise<Left & { readonly ended: Promise<number> }> {
  const app = await createApp(t, { plugin: { fastPath } })
  const handled: string[] = []
  let go = (): void => {}
  const wait = new Promise<void>((resolve) => { go = resolve })
  let signal: undefined | AbortSignal
  const controller = create(wait, handled)
  const ended = new Promise<number>((resolve) => {
    app.socketRoute('/', {
      ...controller,
      onOpen: (connection: WsConnection, clients: never) => {
        signal = connection.signal
        return controller.onOpen?.(connection, clients)
      },
      onClose: (_connection, { code }) => { resolve(code) }
    } as SocketController, 'ROLE_USER')
  })
  const client = await connectAs(tokenOf(app), await listen(app))
  client.send('first')
  client.send('second')
  // A reset, which a paused socket notices too.
  client.socket.once('error', () => {});
  (client.socket as unknown as { _socket: Socket })._socket.resetAndDestroy()
  await until(() => signal?.aborted === true)
  return { app, handled, go, ended }
}

for (const fastPath of [true, 'write', false] as const) {
  for (const [what, refuse] of Object.entries(ways)) {
    // Where ws reads, a socket that is paused during onOpen does not notice that the client leaves.
    if (fastPath === true) {
      t.test(`an onOpen that ${what} admits no message, fastPath: ${fastPath}`, async (t) => {
        const { handled, go, ended } = await leave(t, fastPath, (wait, handled) => ({
          async onOpen (connection) { await wait; refuse(connection as WsConnection) },
          onMessage (_connection, message) { handled.push(message.text) }
        }))
        go()
        t.equal(await ended, 1006)
        t.strictSame(handled, [])
      })
    }

    t.test(`a handler that ${what} is the last one, fastPath: ${fastPath}`, async (t) => {
      const { handled, go, ended } = await leave(t, fastPath, (wait, handled) => ({
        async onMessage (connection, message) {
          handled.push(message.text)
          await wait
          refuse(connection as WsConnection)
        }
      }))
      go()
      t.equal(await ended, 1006)
      t.ok(handled.length <= 1, handled.join())
    })
  }

  if (fastPath === true) {
    t.test(`a revoked user's messages are not handled, fastPath: ${fastPath}`, async (t) => {
      const { app, handled, go, ended } = await leave(t, fastPath, (wait, handled) => ({
        onOpen: () => wait,
        onMessage (_connection, message) { handled.push(message.text) }
      }))
      await app.socketRevoke({ sub: 'alice' })
      go()
      t.equal(await ended, 1006)
      t.strictSame(handled, [])
    })
  }
}

t.test('a handler may close a connection that its client has left, none waiting', async (t) => {
  const app = await createApp(t)
  let go = (): void => {}
  const wait = new Promise<void>((resolve) => { go = resolve })
  let signal: undefined | AbortSignal
  const code = new Promise<number>((resolve) => {
    app.socketRoute('/', {
      async onMessage (connection) {
        signal = connection.signal
        await wait
        connection.close(4003)
      },
      onClose: (_connection, { code }) => { resolve(code) }
    })
  })
  const client = await connect(await listen(app))
  client.send('only')
  await until(() => signal !== undefined)
  client.socket.terminate()
  await until(() => signal!.aborted)
  go()
  t.equal(await code, 1006)
})
