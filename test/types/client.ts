// The client, as the type of a route's handle has it: names, data, replies, items and events.
import { connect, RequestError, type SocketClient } from 'fastify-socket-route/client'
import { is } from './expect.js'

/** The part of the handle of a route with a contract that the client uses. */
interface Chat {
  readonly name: string
  readonly '~contract'?: undefined | {
    in: {
      say: { data: { text: string }, reply: undefined, stream: undefined }
      join: { data: { room: string }, reply: { members: number }, stream: undefined }
      ping: { data: undefined, reply: undefined, stream: undefined }
      search: { data: string | undefined, reply: string[], stream: undefined }
      history: { data: { room: string }, reply: undefined, stream: { text: string, at: number } }
      ticks: { data: undefined, reply: undefined, stream: number }
    }
    out: {
      message: { data: { from: string, text: string }, reply: undefined }
      bye: { data: undefined, reply: undefined }
      confirm: { data: { question: string }, reply: boolean }
    }
  }
}

declare const chat: Chat
const client = connect<typeof chat>('wss://example.test/chat')
is<SocketClient<Chat>>()(client)

// Messages.
client.send('say', { text: 'hi' })
client.send('ping')
client.send('search')
client.send('search', 'x')
// @ts-expect-error it is answered with a stream
client.send('history', { room: 'a' })
// @ts-expect-error no such message
client.send('shout', { text: 'hi' })
// @ts-expect-error no data
client.send('say')
// @ts-expect-error other data
client.send('say', { text: 1 })
// @ts-expect-error more than there is
client.send('say', { text: 'hi', to: 'all' })
// @ts-expect-error a message without data
client.send('ping', {})
// @ts-expect-error what the server sends
client.send('message', { from: 'me', text: 'hi' })

// Requests.
is<{ members: number }>()(await client.request('join', { room: 'lobby' }))
is<{ members: number }>()(await client.request('join', { room: 'lobby' }, { timeout: 500 }))
is<void>()(await client.request('ping'))
is<void>()(
  await client.request('ping', undefined, { timeout: 500, signal: AbortSignal.timeout(1) })
)
is<void>()(await client.request('say', { text: 'hi' }))
is<string[]>()(await client.request('search'))
is<string[]>()(await client.request('search', undefined, { timeout: 500 }))
// @ts-expect-error no such message
await client.request('leave')
// @ts-expect-error no data
await client.request('join')
// @ts-expect-error other data
await client.request('join', { rooms: 'lobby' })
// @ts-expect-error a message without data
await client.request('ping', { timeout: 500 })
// @ts-expect-error no such option
await client.request('join', { room: 'lobby' }, { timeOut: 500 })
// @ts-expect-error it is answered with a stream
await client.request('history', { room: 'lobby' })
// @ts-expect-error not what the reply has
const { count } = await client.request('join', { room: 'lobby' })

// Streams.
for await (const item of client.stream('history', { room: 'lobby' }, { buffer: 10 })) {
  is<{ text: string, at: number }>()(item)
}
for await (const item of client.stream('ticks')) is<number>()(item)
for await (const item of client.stream('ticks', undefined, { signal: AbortSignal.timeout(1) })) {
  is<number>()(item)
}
// @ts-expect-error it is answered once
client.stream('join', { room: 'lobby' })
// @ts-expect-error no data
client.stream('history')

// Events.
const off = client.on('message', (data, { signal }) => {
  is<{ from: string, text: string }>()(data)
  is<AbortSignal>()(signal)
})
is<() => void>()(off)
const texts: string[] = []
client.on('message', ({ text }) => texts.push(text))
client.on('bye', (data) => { is<undefined>()(data) })
client.on('confirm', ({ question }) => question === 'sure?')
client.on('confirm', async ({ question }) => question === 'sure?')
// @ts-expect-error no such event
client.on('say', () => {})
// @ts-expect-error other data
client.on('message', (data: { text: number }) => { texts.push(String(data)) })
// @ts-expect-error the server wants a reply
client.on('confirm', () => {})
// @ts-expect-error another one
client.on('confirm', () => 'yes')
// @ts-expect-error the same later
client.on('confirm', async () => 'yes')
for await (const data of client.events('message')) is<{ from: string, text: string }>()(data)
// @ts-expect-error a loop gives no reply
client.events('confirm')

// A handle of a route without a contract is none.
// @ts-expect-error nothing is known of its messages
connect<{ name: string }>('wss://example.test/chat')

// A client without a type takes everything.
const any = connect('/chat', {
  token: async () => null,
  reconnect: { when: ({ code, attempts }) => code === 4000 || attempts < 5 }
})
any.send('x')
any.send('x', { y: 1 })
is<unknown>()(await any.request('x', 1, { timeout: 1 }))
for await (const item of any.stream('x')) is<unknown>()(item)
for await (const data of any.events('x')) is<unknown>()(data)
any.on('x', (data) => { is<unknown>()(data) })

// The rest.
is<Promise<void>>()(client.opened)
is<number>()((await client.closed).code)
client.onClose((closed) => {
  is<number>()(closed.code)
  is<boolean>()(closed.willReconnect)
})
is<Promise<void>>()(client.renew('token'))
client.close(4000, 'bye')
export const pathOf = (error: unknown): undefined | string => error instanceof RequestError
  ? error.path
  : undefined
