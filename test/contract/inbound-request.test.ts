import t from 'tap'
import type { WsConnection } from '../../src/connection/connection.js'
import { InboundRequests } from '../../src/connection/inbound-requests.js'
import type { CompiledMessage, Handler } from '../../src/contract/compiled-message.js'
import { InboundRequest, type InboundEnvelope } from '../../src/contract/inbound-request.js'
import type { Message } from '../../src/message/message.js'
import type { Clients } from '../../src/room/clients.js'

const clients = {} as Clients

function connectionWith (requests = new InboundRequests(false)): WsConnection {
  return { inboundRequests: requests, isDone: false, isAborted: false } as unknown as WsConnection
}

function requestOf (
  connection: WsConnection,
  id: InboundEnvelope['id'],
  handler: Handler
): InboundRequest {
  const compiled: CompiledMessage = {
    type: 'save',
    controller: { on: { save: handler } },
    isGranted: undefined,
    check: undefined,
    reply: JSON.stringify,
    stream: undefined,
    streamsPerConnection: 1,
    hooks: { preMessage: [], preSend: [] },
    isDirect: true
  }
  return new InboundRequest(
    connection,
    clients,
    {} as Message,
    { id, data: 'secret' } as InboundEnvelope,
    compiled
  )
}

const never: Handler = () => new Promise(() => {})

t.test('an id is taken until its message is answered or cancelled', async (t) => {
  const connection = connectionWith()
  const one = requestOf(connection, 1, never)
  one.handle()
  t.throws(
    () => requestOf(connection, 1, never).handle(),
    { error: { code: 'FSR_ERR_ID_DUPLICATE' }, id: 1 } as unknown as Error
  )
  requestOf(connection, '1', never).handle()
  t.equal(connection.inboundRequests!.byId.size, 2, 'a text is another id than a number')
  one.cancel()
  one.cancel()
  requestOf(connection, 1, () => 'saved').handle()
  t.same([...connection.inboundRequests!.byId.keys()], ['1'])
})

t.test('a cancelled message does not free an id that another message has', async (t) => {
  const connection = connectionWith()
  let save = (_value: string): void => {}
  const before = requestOf(connection, 1, () => new Promise((resolve) => { save = resolve }))
  const returned = before.handle()
  before.cancel()
  const now = requestOf(connection, 1, never)
  now.handle()
  save('late')
  t.equal(await returned, undefined, 'it has no reply')
  t.equal(connection.inboundRequests!.byId.get(1), now)
})

t.test('there is one signal, which aborts when the message is answered', async (t) => {
  const connection = connectionWith()
  const request = requestOf(connection, 1, (_connection, _data, { signal }) => {
    t.notOk(signal.aborted)
    t.equal(signal, request.signal)
    return 'saved'
  })
  request.handle()
  t.ok(request.signal.aborted)
  const unread = requestOf(connection, 1, () => 'saved')
  unread.handle()
  t.ok(unread.signal.aborted)
})

t.test('the signal of a message handled during the close is aborted', async (t) => {
  const request = requestOf(
    connectionWith(new InboundRequests(true)),
    1,
    (_connection, _data, { signal }) => signal.aborted
  )
  t.match(await request.handle(), { bytes: Buffer.from('{"type":"reply","id":1,"data":true}') })
})

t.test('a handler that writes its context to a log writes nothing of the message', async (t) => {
  t.strictSame(Object.entries(requestOf(connectionWith(), 1, never)), [
    ['id', 1],
    ['clients', clients]
  ])
})
