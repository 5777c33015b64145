// Any client of RFC 6455 will do: here one in Python.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import type { CloseInfo } from '../../src/index.js'
import { python, skipsWithoutPython } from '../support/python.js'
import { createApp, listen, tokenOf } from '../support/server.js'

const script = 'test/support/python-client.py'

async function run (args: readonly string[]): Promise<unknown> {
  if (python === undefined) {
    throw new Error(
      'There is no Python with the package websockets. Install it: apt-get install ' +
      'python3-websockets'
    )
  }
  const child = spawn(python, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  if (code !== 0) throw new Error(`The client ended with ${String(code)}`)
  return JSON.parse(output)
}

t.test('a client in Python is served like any other', {
  skip: skipsWithoutPython ?? false
}, async (t) => {
  const app = await createApp(t)
  const received: Array<string | number[]> = []
  const closed: CloseInfo[] = []
  const chat = app.socketRoute('/chat/:room', {
    onOpen: ({ params, user }) => ({ room: params.room, name: (user as { sub: string }).sub }),
    onMessage (connection, message) {
      if (message.text === 'close') return connection.close(4001, 'over')
      received.push(message.isBinary ? [...message.bytes] : message.text)
      return message
    },
    onClose (_connection, info) {
      closed.push(info)
      return 'goodbye'
    }
  }, 'ROLE_USER')
  const url = await listen(app)

  const greeting = { room: 'lobby', name: 'alice' }
  t.same(await run([url + chat.url({ room: 'lobby' }), tokenOf(app)]), {
    refused: [401, 401, 404],
    by_header: {
      subprotocol: null,
      greeting,
      text: 'text: äöü €',
      binary: { bytes: [0, 127, 255] },
      fragmented: 'fragmented',
      fragmented_binary: { bytes: [1, 2, 3] },
      long: 60_000,
      pong: true,
      closed: [4000, 'enough']
    },
    by_protocol: { subprotocol: 'bearer', greeting, last: 'goodbye', closed: [4001, 'over'] }
  }, 'the client saw this')

  t.same(
    received,
    ['text: äöü €', [0, 127, 255], 'fragmented', [1, 2, 3], 'x'.repeat(60_000)],
    'the server saw this'
  )
  await app.close()
  t.same(closed, [
    { code: 4000, reason: 'enough', wasClean: true },
    { code: 4001, reason: 'over', wasClean: true }
  ], 'and these ends')
})
