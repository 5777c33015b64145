// Environments with fewer or other globals than current browsers.
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { absolute } from '../../src/client/address.js'
import { connect, RequestError } from '../../src/client/index.js'
import { turns, until } from '../support/until.js'
import { connectTo, pair, tell, WireServer } from './wire-server.js'

const lacks = (t: Test, ...names: string[]) => {
  for (const name of names) t.intercept(globalThis, name as never, { value: undefined as never })
}

// As in workerd and happy-dom: what passes through an EventTarget is given to its `on…` properties
// as well.
class Mirroring extends EventTarget {
  readonly #socket: WebSocket
  constructor (url: string, protocols?: string | string[]) {
    super()
    this.#socket = new WebSocket(url, protocols)
    for (const type of ['open', 'message', 'error', 'close'] as const) {
      this.#socket.addEventListener(type, (event: object) => {
        const { data, code, reason, message } = event as Record<string, unknown>
        this.dispatchEvent(Object.assign(new Event(type), { data, code, reason, message }))
      })
    }
  }

  override dispatchEvent (event: Event): boolean {
    (this as unknown as Record<string, undefined | ((event: Event) => void)>)[`on${event.type}`]?.(
      event
    )
    return super.dispatchEvent(event)
  }

  get readyState () { return this.#socket.readyState }
  get bufferedAmount () { return this.#socket.bufferedAmount }
  send (text: string) { this.#socket.send(text) }
  close (code?: number, reason?: string) { this.#socket.close(code, reason) }
}

t.test('all comes once where an EventTarget calls the properties of its events too', async (t) => {
  const { server, client, connection } = await pair(t, { WebSocket: Mirroring })
  const log: unknown[] = []
  client.onOpen(() => { log.push('open') })
  client.onClose(({ code }) => { log.push(code) })
  client.on('news', (data) => { log.push(data) })
  tell(connection, { type: 'news', data: 1 })
  await until(() => log.length > 0)
  connection.socket.close(1012)
  await server.accept()
  await client.opened
  t.strictSame(log, [1, 1012, 'open'])
})

t.test('a reason is counted in bytes without TextEncoder', async (t) => {
  lacks(t, 'TextEncoder')
  for (const character of ['a', 'é', '€', '😀', '\uD800']) {
    const { client, connection } = await pair(t)
    const size = Buffer.byteLength(character)
    const reason = character.repeat(123 / size) + 'x'.repeat(123 % size)
    t.throws(() => { client.close(4000, `${reason}x`) }, RangeError, character)
    client.close(4000, reason)
    t.strictSame(await connection.closed, { code: 4000, reason: Buffer.from(reason).toString() })
  }
})

t.test('a signal without throwIfAborted and without a reason gives a request up', async (t) => {
  const { client, connection } = await pair(t)
  const poor = () => {
    const target = new EventTarget()
    const signal = Object.assign(target, { aborted: false })
    return {
      signal: signal as unknown as AbortSignal,
      abort () { signal.aborted = true; target.dispatchEvent(new Event('abort')) }
    }
  }
  const { signal, abort } = poor()
  const request = client.request('ask', undefined, { signal })
  await connection.next()
  abort()
  await t.rejects(request, { name: 'AbortError' })
  await t.rejects(client.request('ask', undefined, { signal }), { name: 'AbortError' })
  t.strictSame(await connection.json(), { type: 'cancel', id: 1 })
})

t.test('an address is made absolute without setters of URL, and otherwise unchanged', async (t) => {
  // As that of React Native: it has no setters, and adds a slash.
  class PoorUrl {
    readonly href: string
    constructor (href: string) { this.href = `${href}/` }
    get protocol () { return this.href.split('//')[0]! }
  }
  t.intercept(globalThis, 'URL', { value: PoorUrl as never })
  t.equal(absolute('https://example.test/chat'), 'wss://example.test/chat')
  t.equal(absolute('HTTP://example.test/chat?a=1'), 'ws://example.test/chat?a=1')
  t.equal(absolute('ws://example.test/chat'), 'ws://example.test/chat')
  t.throws(() => absolute('ftp://example.test/'), TypeError)
})

t.test('a relative address is relative to the page', async (t) => {
  t.intercept(globalThis, 'location' as never, {
    value: { href: 'https://example.test/app/page?x' } as never
  })
  t.equal(absolute('/chat'), 'wss://example.test/chat')
  t.equal(absolute('chat'), 'wss://example.test/app/chat')
  t.equal(absolute('//other.test/chat'), 'wss://other.test/chat')
  t.intercept(globalThis, 'location' as never, { value: { href: 'file:///page.html' } as never })
  t.throws(() => absolute('/chat'), { name: 'TypeError', message: /file: is not ws:/ })
})

t.test('a missing address throws, also with a page', async (t) => {
  t.intercept(globalThis, 'location' as never, {
    value: { href: 'https://example.test/app/page' } as never
  })
  const failure = { name: 'TypeError', message: 'There is no address' }
  for (const address of [undefined, null, '']) {
    t.throws(() => { connect(address as never, { WebSocket }).close() }, failure)
  }
  const errors: unknown[] = []
  const client = connect(
    () => undefined as never,
    { WebSocket, onError (error) { errors.push(error) } }
  )
  await until(() => errors.length > 0)
  t.match(errors, [failure])
  client.close()
})

t.test('without a page a client can be created, and fails when it is needed', async (t) => {
  const errors: unknown[] = []
  const client = connect('/chat', { WebSocket, onError (error) { errors.push(error) } })
  const off = client.on('news', () => {})
  off()
  t.notOk(client.isOpen)
  const failure = {
    name: 'ClientError',
    code: 'FSR_CLIENT_NO_PAGE',
    message: /no page: give an absolute address/
  }
  await t.rejects(client.opened, failure)
  await t.rejects(client.request('ask'), failure)
  t.throws(() => { client.send('say') }, failure)
  t.throws(() => { client.reconnect() }, failure)
  await t.rejects((async () => { for await (const _item of client.stream('count')); })(), failure)
  await t.rejects(client.renew('token'), { code: 'FSR_CLIENT_DISCONNECTED' })
  t.strictSame(errors, [])
  client.close()
  t.strictSame(await client.closed, { code: 1000, reason: '' })
  await t.rejects(client.opened, RequestError)
})

t.test('a client created before its page or WebSocket connects when it is needed', async (t) => {
  const server = await WireServer.start(t)
  lacks(t, 'WebSocket')
  const client = connect('/chat')
  t.teardown(() => { client.close() })
  await t.rejects(client.opened, { code: 'FSR_CLIENT_NO_PAGE' })
  t.intercept(globalThis, 'location' as never, {
    value: { href: `http://127.0.0.1:${server.port}/` } as never
  })
  await t.rejects(client.opened, { code: 'FSR_CLIENT_NO_WEBSOCKET' })
  t.intercept(globalThis, 'WebSocket' as never, { value: WebSocket as never })
  client.send('say', 1)
  const connection = await server.accept()
  t.strictSame(await connection.json(), { type: 'say', data: 1 })
})

t.test('a client created where modules cannot wait connects when it is needed', async (t) => {
  // As in the global scope of a Cloudflare worker.
  const server = await WireServer.start(t)
  const refuse = (): never => { throw new Error('Disallowed operation called within global scope') }
  class Refusing {
    constructor (url: string) {
      return isGlobal ? refuse() : new WebSocket(url)
    }
  }
  let isGlobal = true
  const { random } = Math
  t.intercept(Math, 'random', { value: () => isGlobal ? refuse() : random() })
  const errors: unknown[] = []
  const client = connectTo(t, server.url, {
    WebSocket: Refusing,
    onError (error) { errors.push(error) }
  })
  await turns(1)
  isGlobal = false
  await client.opened
  await server.accept()
  t.strictSame(errors, [])
})

t.test('a close of which nothing is told is a cut', async (t) => {
  class Poor extends EventTarget {
    readyState = 0
    readonly bufferedAmount = 0
    constructor () {
      super()
      queueMicrotask(() => {
        this.readyState = 1
        this.dispatchEvent(new Event('open'))
        this.dispatchEvent(Object.assign(new Event('close'), { reason: null }))
      })
    }

    close () {}
  }
  const client = connectTo(t, 'ws://localhost/', { WebSocket: Poor })
  t.strictSame(await new Promise((resolve) => { client.onClose(resolve) }), {
    code: 1006,
    reason: '',
    willReconnect: true
  })
})
