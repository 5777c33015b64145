// The values that a callback may return.
import Fastify from 'fastify'
import { BinaryMessage, JsonMessage, TextMessage, type Message } from 'fastify-socket-route'
import { is } from './expect.js'

interface Greeting { text: string }

const app = Fastify()
const greeting: Greeting = { text: 'hi' }
const inOneOfSeveralWays = (): string | undefined => undefined

app.socketRoute('/nothing', {
  onOpen () {},
  async onMessage () {},
  onClose: () => undefined,
  onError: () => null
})
app.socketRoute('/messages', {
  onOpen: () => new JsonMessage({ text: 'hi' }),
  onMessage (_connection, message) { is<Message>()(message); return message },
  onClose: () => new TextMessage('hi'),
  onError: () => new BinaryMessage(new Uint8Array(1))
})
app.socketRoute('/values', {
  onOpen: () => 'hi',
  onMessage: () => Buffer.from('hi'),
  onClose: () => new ArrayBuffer(1),
  onError: () => new Float32Array(1)
})
app.socketRoute('/json', {
  onOpen: () => ({ text: 'hi', of: { anything: [1] } }),
  onMessage: () => greeting,
  onClose: () => [1, 2],
  onError: (_connection, { message }) => ({ message })
})
app.socketRoute('/promises', {
  onOpen: async () => 'hi',
  onMessage: async (_connection, message) => message,
  onClose: async () => ({ text: 'hi' }),
  onError: () => Promise.resolve(greeting)
})
app.socketRoute('/streams', {
  async * onOpen () {
    yield 'hi'
    yield greeting
    yield { text: 'hi' }
    yield Buffer.from('hi')
    yield [1]
  },
  async onMessage () { return (async function * () { yield new JsonMessage(1) })() }
})
app.socketRoute('/several', {
  onOpen: inOneOfSeveralWays,
  onMessage (_connection, message) { return message.isBinary ? undefined : message.text },
  async onClose (_connection, { code }) { if (code === 1000) return 'bye' },
  onError: (_connection, error) => error.name === 'Error' ? greeting : null
})

// @ts-expect-error a number
app.socketRoute('/wrong', { onOpen: () => 1 })
// @ts-expect-error a boolean
app.socketRoute('/wrong', { onMessage: () => true })
// @ts-expect-error what send() answers
app.socketRoute('/wrong', { onMessage: (connection) => connection.send('hi') })
// @ts-expect-error a symbol
app.socketRoute('/wrong', { onClose: () => Symbol('hi') })
// @ts-expect-error a bigint
app.socketRoute('/wrong', { onError: () => 1n })
// @ts-expect-error one of several
app.socketRoute('/wrong', { onMessage: (_connection, message) => message.isBinary ? 1 : message })

// And what comes later.
// @ts-expect-error a promise of a number
app.socketRoute('/wrong', { onMessage: async () => 1 })
// @ts-expect-error a promise of what send() answers
app.socketRoute('/wrong', { onMessage: async (connection) => connection.send('hi') })
// @ts-expect-error a stream of numbers
app.socketRoute('/wrong', { async * onOpen () { yield 1 } })

// The same in every form of the third argument.
// @ts-expect-error a number
app.socketRoute('/wrong', { onOpen: () => 1 }, 'ROLE_USER')
// @ts-expect-error a number
app.socketRoute('/wrong', { onOpen: () => 1 }, () => true)
// @ts-expect-error a number
app.socketRoute('/wrong', { onOpen: () => 1 }, { name: 'wrong' })
// @ts-expect-error a number
app.socketRoute('/wrong', { onOpen: () => 1 }, { isGranted: 'ROLE_USER' })

// And what is sent.
app.socketRoute('/sent', {
  onMessage (connection, message, clients) {
    is<boolean>()(connection.send(message))
    is<Promise<void>>()(connection.drained())
    connection.send('hi')
    connection.send(greeting)
    connection.send({ text: 'hi' })
    connection.send(new Uint8Array(1))
    clients.broadcast([1])
    // @ts-expect-error a number
    connection.send(1)
    // @ts-expect-error a promise, which only a callback may return
    connection.send(Promise.resolve('hi'))
    // @ts-expect-error nothing
    connection.send(undefined)
    // @ts-expect-error nothing
    clients.broadcast(null)
    // @ts-expect-error a boolean
    connection.to('room').send(true)
    // @ts-expect-error a string
    connection.close('1000')
  }
})

// An inbound message.
app.socketRoute('/message', {
  onMessage (_connection, message) {
    is<string>()(message.text)
    is<boolean>()(message.isBinary)
    is<unknown>()(message.json())
    is<Greeting>()(message.json<Greeting>())
    // @ts-expect-error it is shared with its other receivers
    message.isBinary = true
  }
})
