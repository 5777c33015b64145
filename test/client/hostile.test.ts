// The functions that an app gives to the typed client fail in every way there is: no rejection is
// left for the process to end by.
import t from 'tap'
import {
  connect,
  type ClientOptions,
  type SocketClient,
  type UnknownRoute
} from '../../src/client/index.js'
import { failures, nonsense, type Hostile } from '../support/hostile.js'
import { turns } from '../support/until.js'

const anything = [...failures, ...nonsense]

class FakeSocket extends EventTarget {
  static last: FakeSocket
  readyState = 0
  readonly bufferedAmount = 0
  readonly sent: string[] = []

  constructor () {
    super()
    FakeSocket.last = this
  }

  send (text: string): void { this.sent.push(text) }
  close (): void { this.readyState = 3 }

  open (): void {
    this.readyState = 1
    this.dispatchEvent(new Event('open'))
  }

  say (text: string): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: text }))
  }

  end (code: number): void {
    this.readyState = 3
    this.dispatchEvent(Object.assign(new Event('close'), { code, reason: '' }))
  }
}

type Try = (hostile: Hostile, options: ClientOptions) => Promise<{ close (): void }>
const address = 'ws://127.0.0.1:1/'

async function opened (client: SocketClient<UnknownRoute>): Promise<SocketClient<UnknownRoute>> {
  await turns(2)
  FakeSocket.last.open()
  await client.opened
  return client
}

const places: Record<string, Try> = {
  token: async (token, options) => connect(address, { ...options, token: token as never }),
  address: async (address, options) => connect(address as never, options),
  'the next token': async (hostile, options) => {
    let count = 0
    const client = await opened(connect(address, {
      ...options,
      token: () => ++count === 1 ? 'first' : hostile() as never
    }))
    client.reconnect()
    return client
  },
  when: async (when, options) => {
    const client = await opened(connect(address, {
      ...options,
      reconnect: { when: when as never }
    }))
    FakeSocket.last.end(1006)
    return client
  },
  onError: async (onError, options) => {
    const client = await opened(connect(address, { ...options, onError: onError as never }))
    FakeSocket.last.say('not of the protocol')
    client.on('news', () => { throw new Error('of a handler') })
    FakeSocket.last.say('{"type":"news"}')
    return client
  },
  'a handler': async (hostile, options) => {
    const client = await opened(connect(address, options))
    client.on('news', hostile as never)
    FakeSocket.last.say('{"type":"news","id":1}')
    FakeSocket.last.say('{"type":"news"}')
    return client
  },
  'onOpen and onClose': async (hostile, options) => {
    const client = connect(address, options)
    client.onOpen(hostile)
    client.onClose(hostile)
    return await opened(client)
  },
  'the WebSocket': async (hostile) => connect(address, {
    WebSocket: class extends FakeSocket { constructor () { super(); hostile() } } as never,
    onError () {}
  })
}

for (const [name, attempt] of Object.entries(places)) {
  t.test(`${name} may fail in every way`, async (t) => {
    const faults: unknown[] = []
    const note = (fault: unknown): void => { faults.push(fault) }
    process.on('uncaughtExceptionMonitor', note)
    const forms = name === 'the WebSocket'
      ? anything.filter(([what]) => what.startsWith('throws'))
      : anything
    t.capture(console, 'warn')
    for (const [what, fail] of forms) {
      let met = 0
      const hostile = (): unknown => {
        met++
        return fail()
      }
      const client = await attempt(hostile, { WebSocket: FakeSocket as never, onError () {} })
      await turns(4)
      client.close()
      await turns(2)
      t.strictSame(faults.splice(0).map(String), [], what)
      t.ok(met > 0, `it was called: ${what}`)
    }
    process.off('uncaughtExceptionMonitor', note)
  })
}
