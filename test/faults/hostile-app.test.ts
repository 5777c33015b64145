import { Readable } from 'node:stream'
import t from 'tap'
import type { SocketRouteHandle, SocketRouteOptions, WsConnection } from '../../src/index.js'
import { connect } from '../support/client.js'
import { failures, type Hostile } from '../support/hostile.js'
import {
  answered,
  anything,
  atOnce,
  checkPlaces,
  echo,
  ofStreams,
  type Meeting,
  type Place
} from '../support/hostile-place.js'
import { tokenOf } from '../support/server.js'
import { until } from '../support/until.js'

// Every function that an app can give to the plugin, and that is called for a connection, fails in
// every way there is. The process goes on, the client that has met it is answered or closed, never
// let in past a guard, and others are not affected.

const contract = (members: object, on: object, rest: object = {}): object => ({
  schema: members,
  on,
  ...rest
})
const sure = { in: { ask: { reply: {} } }, out: { sure: { reply: {} } } }
const whenThrown = anything.filter(([what]) => what.startsWith('throws'))

// A stream, one of whose members is hostile.
function streamWith (member: string, hostile: Hostile): AsyncIterable<unknown> {
  const iterator = { next: async () => ({ done: false, value: { n: 1 } }), [member]: hostile }
  return (member === 'iterator'
    ? { [Symbol.asyncIterator]: hostile }
    : { [Symbol.asyncIterator]: () => iterator }) as never
}

// A stream of Node that goes on until it is let go of.
function nodeStream (members: object): Readable {
  return Object.assign(
    new Readable({ objectMode: true, read () { setImmediate(() => { this.push({ n: 1 }) }) } }),
    members
  )
}

// The token comes as the first message: the connection is not opened.
async function enter ({ t, app, url, token, what }: Meeting): Promise<void> {
  const client = await connect(url)
  client.send(token)
  await client.closed
  t.equal(app.socketRoutes.get('/')!.clients.size, 0, what)
}

const withFirst = (hostile: Hostile): SocketRouteOptions => ({
  isGranted: hostile as never,
  tokenFrom: ['message']
})

// The client was let in, and renews its token: it is refused, or closed.
async function renew ({ t, app, url, headers, what, meanwhile }: Meeting): Promise<void> {
  const client = await meanwhile(() => true, async () => await connect(url, [], { headers }))
  client.send(JSON.stringify({
    type: 'renew',
    id: 1,
    data: { token: tokenOf(app, ['ROLE_USER'], { of: 'later' }) }
  }))
  await until(() => client.unread.length > 0 || client.socket.readyState !== 1)
  t.notOk(client.unread.some((text) => String(text).includes('"reply"')), what)
  client.socket.terminate()
  await client.closed
}

// The client answers what it is asked.
async function answer ({ url, headers }: Meeting): Promise<void> {
  const client = await connect(url, [], { headers })
  client.send('{"type":"ask","id":1}')
  let message = await client.json() as { type: string, id: number }
  while (message.type !== 'sure') message = await client.json() as { type: string, id: number }
  client.send(JSON.stringify({ type: 'reply', id: message.id, data: true }))
  await answered(client)
  client.socket.terminate()
  await client.closed
}

// One that lags is sent more than may wait, and told of it.
async function lag ({ t, app, what }: Meeting): Promise<void> {
  const socket = await app.injectWS('/')
  await until(() => app.socketRoutes.get('/')!.clients.size === 1)
  const [connection] = app.socketRoutes.get<SocketRouteHandle>('/')!.clients
  socket.pause()
  while (connection!.dropped === 0) connection!.send('x'.repeat(60_000))
  socket.resume()
  await connection!.drained()
  await new Promise(setImmediate)
  t.equal(connection!.bufferedAmount, 0, what)
  socket.terminate()
  await until(() => app.socketRoutes.get('/')!.clients.size === 0)
}

// A member of a controller that is looked up when it is called.
function gets (name: string, hostile: Hostile, sound: Hostile): object {
  let isRegistered = false
  setImmediate(() => { isRegistered = true })
  return Object.defineProperty({}, name, {
    enumerable: true,
    get: () => isRegistered ? hostile() : sound
  })
}

const places: Record<string, Place> = {
  'isGranted of a first message': { route: withFirst, meets: enter },
  'roles of a first message': {
    plugin: (hostile) => ({ roles: hostile as never }),
    route: () => ({ isGranted: 'ROLE_USER', tokenFrom: ['message'] }),
    meets: enter
  },
  'subject of a first message': {
    forms: failures,
    plugin: (hostile) => ({ subject: hostile as never }),
    route: () => withFirst(() => true),
    meets: enter
  },
  'a store of a first message': {
    forms: failures,
    plugin: (hostile) => ({ revocations: { revoke () {}, revokedBefore: hostile as never } }),
    route: () => withFirst(() => true),
    meets: enter
  },
  'isGranted at a renewal': {
    route: (hostile) => ({ isGranted: hostile as never }),
    controller: () => contract({ in: { ask: {} } }, { ask () {} }),
    meets: renew
  },
  'subject at a renewal': {
    forms: failures,
    plugin: (hostile) => ({
      subject: ((claims: { of?: string }) => claims.of === undefined ? 'alice' : hostile()) as never
    }),
    route: () => ({ isGranted: () => true }),
    controller: () => contract({ in: { ask: {} } }, { ask () {} }),
    meets: renew
  },
  notice: {
    plugin: (hostile) => ({
      outbox: { limit: 65_536, overflow: 'drop-newest', notice: hostile as never }
    }),
    meets: lag
  },
  latestBy: {
    plugin: (hostile) => ({ outbox: { overflow: { latestBy: hostile } } }),
    controller: () => ({ onMessage (connection: WsConnection) { connection.send('x') } })
  },
  'a getter of onOpen': {
    forms: whenThrown,
    controller: (hostile) => Object.defineProperties(
      { ...echo },
      Object.getOwnPropertyDescriptors(gets('onOpen', hostile, () => {}))
    )
  },
  'a getter of onMessage': {
    forms: whenThrown,
    controller: (hostile) => gets('onMessage', hostile, () => {})
  },
  'a getter of onClose': {
    forms: whenThrown,
    controller: (hostile) => Object.defineProperties(
      { ...echo },
      Object.getOwnPropertyDescriptors(gets('onClose', hostile, () => {}))
    )
  },
  'a getter of onError': {
    forms: whenThrown,
    controller: (hostile) => Object.defineProperties(
      { onMessage () { throw new Error('first') } },
      Object.getOwnPropertyDescriptors(gets('onError', hostile, () => {}))
    )
  },
  'a getter of a handler': {
    forms: whenThrown,
    controller: (hostile) => contract({ in: { ask: {} } }, gets('ask', hostile, () => {})),
    sends: ['{"type":"ask","id":1}']
  },
  'getters of the callbacks of a contract': {
    forms: whenThrown,
    controller: (hostile) => Object.defineProperties(
      contract({ in: { ask: {} } }, { ask () { throw new Error('first') } }),
      {
        ...Object.getOwnPropertyDescriptors(gets('onClose', hostile, () => {})),
        ...Object.getOwnPropertyDescriptors(gets('onError', hostile, () => {}))
      }
    ),
    sends: ['{"type":"ask","id":1}']
  },
  onOpen: { controller: (hostile) => ({ ...echo, onOpen: hostile }) },
  onMessage: { controller: (hostile) => ({ onMessage: hostile }) },
  onClose: { controller: (hostile) => ({ ...echo, onClose: hostile }) },
  'onError after onMessage': {
    controller: (hostile) => ({ onMessage () { throw new Error('first') }, onError: hostile })
  },
  'onError that passes it on': {
    controller: (hostile) => ({
      onMessage: hostile,
      onError: (_connection: unknown, error: Error) => { throw error }
    })
  },
  'onError that logs it': {
    controller: (hostile) => ({
      onMessage: hostile,
      onError (connection: { log: { warn (error: unknown): void } }, error: Error) {
        connection.log.warn(error)
      }
    })
  },
  preMessage: { plugin: (hostile) => ({ preMessage: hostile as never }), controller: () => echo },
  'done of preMessage': {
    forms: atOnce,
    plugin: (hostile) => ({
      preMessage: (_connection, _received, done) => {
        try { hostile(); done() } catch (error) { done(error as Error) }
      }
    }),
    controller: () => echo
  },
  'done of preMessage, later': {
    forms: atOnce,
    plugin: (hostile) => ({
      preMessage: ((...[,, done]: Parameters<NonNullable<typeof preMessage>>) => {
        setImmediate(() => { try { hostile() } catch (error) { done(error as Error) } })
      }) as never
    }),
    controller: () => echo
  },
  preSend: {
    plugin: (hostile) => ({ preSend: hostile as never }),
    controller: () => ({ onMessage: () => ({ a: 1 }) })
  },
  'preSend of a contract': {
    plugin: (hostile) => ({ preSend: hostile as never }),
    controller: () => contract(sure, { ask: () => ({ a: 1 }) }),
    sends: ['{"type":"ask","id":1}']
  },
  'toJSON of what is sent': {
    forms: atOnce,
    controller: (hostile) => ({ onMessage: () => ({ toJSON: hostile }) })
  },
  'iterator of a stream': {
    controller: (hostile) => ({ onMessage: () => streamWith('iterator', hostile) })
  },
  'next of a stream': {
    controller: (hostile) => ({ onMessage: () => streamWith('next', hostile) })
  },
  'return of a stream': {
    controller: (hostile) => ({ onOpen: () => streamWith('return', hostile), ...echo })
  },
  'value of a stream': {
    controller: (hostile) => ({
      onMessage: () => streamWith('next', async () => ({
        done: false,
        get value () { return hostile() }
      }))
    })
  },
  'destroy of a stream': {
    controller: (hostile) => ({ onOpen: () => nodeStream({ destroy: hostile }), ...echo })
  },
  '_destroy of a stream': {
    forms: atOnce,
    controller: (hostile) => ({ onOpen: () => nodeStream({ _destroy: hostile }), ...echo })
  },
  'a late error of a stream': {
    forms: ofStreams,
    controller: (hostile) => ({
      onOpen: () => nodeStream({
        _destroy (_error: unknown, callback: (error?: unknown) => void) {
          setImmediate(() => { try { hostile(); callback() } catch (error) { callback(error) } })
        }
      }),
      ...echo
    })
  },
  'a handler of a contract': {
    controller: (hostile) => contract({ in: { ask: { reply: {} } } }, { ask: hostile }),
    sends: ['{"type":"ask","id":1}', '{"type":"ask"}']
  },
  'a handler of a contract, and its onError': {
    controller: (hostile) => contract({ in: { ask: { reply: {} } } }, { ask: hostile }, {
      onError: hostile
    }),
    sends: ['{"type":"ask","id":1}']
  },
  'onOpen of a contract': {
    controller: (hostile) => contract({ in: { ask: {} } }, { ask () {} }, { onOpen: hostile }),
    sends: ['{"type":"ask","id":1}']
  },
  'onClose of a contract': {
    controller: (hostile) => contract({ in: { ask: {} } }, { ask () {} }, { onClose: hostile }),
    sends: ['{"type":"ask","id":1}']
  },
  'isGranted of a message': {
    controller: (hostile) => contract({ in: { ask: { isGranted: hostile } } }, {
      ask () { throw new Error('it was let in') }
    }),
    sends: ['{"type":"ask","id":1}']
  },
  'a stream of a contract': {
    controller: (hostile) => contract({ in: { list: { stream: {} } } }, {
      list: () => streamWith('next', hostile)
    }),
    sends: ['{"type":"list","id":1}']
  },
  'return of a stream of a contract': {
    controller: (hostile) => contract({ in: { list: { stream: {} } } }, {
      list: () => streamWith('return', hostile)
    }),
    sends: ['{"type":"list","id":1}', '{"type":"cancel","id":1}']
  },
  'destroy of a stream of a contract': {
    controller: (hostile) => contract({ in: { list: { stream: {} } } }, {
      list: () => nodeStream({ destroy: hostile })
    }),
    sends: ['{"type":"list","id":1}', '{"type":"cancel","id":1}']
  },
  'a validator': {
    prepare: (app, hostile) => { app.setValidatorCompiler(() => hostile as never) },
    controller: () => contract({ in: { ask: { data: {}, reply: {} } } }, { ask: () => 1 }),
    sends: ['{"type":"ask","id":1,"data":1}']
  },
  'a validator of answers': {
    prepare: (app, hostile) => { app.setValidatorCompiler(() => hostile as never) },
    controller: () => contract(sure, {
      ask: async (connection: { request (type: string): Promise<unknown> }) =>
        await connection.request('sure')
    }),
    meets: answer
  },
  'a validator of answers to no request': {
    prepare: (app, hostile) => { app.setValidatorCompiler(() => hostile as never) },
    controller: () => contract(sure, {
      ask (connection: { request (type: string): unknown }) { connection.request('sure') }
    }),
    meets: answer
  },
  'a serializer': {
    prepare: (app, hostile) => { app.setSerializerCompiler(() => hostile as never) },
    controller: () => contract({ in: { ask: { reply: {} } } }, { ask: () => 1 }),
    sends: ['{"type":"ask","id":1}']
  }
}
declare const preMessage: (
  connection: unknown,
  received: unknown,
  done: (error?: Error) => void
) => void

checkPlaces(t, places)
