// npx tsx examples/typed/client.ts ws://localhost:3000/chat alice lobby
// Each line that is typed is said in the room.
import { createInterface } from 'node:readline'
import { connect } from 'fastify-socket-route/client'
import { WebSocket } from 'ws'
import type { Chat } from './app.js'

const [url = 'ws://localhost:3000/chat', name = 'somebody', room = 'lobby'] = process.argv.slice(2)
const chat = connect<Chat>(url, { WebSocket, onError: (error) => { console.error(String(error)) } })

chat.on('nickname', () => name)
chat.on('line', ({ from, text }) => { console.log(`${from}: ${text}`) })

// After a reconnection the client joins again.
chat.onOpen(async () => {
  const { members } = await chat.request('join', { room }, { timeout: 5_000 })
  console.log(`${room} has ${members} members`)
  for await (const { from, text } of chat.stream('history', { room })) {
    console.log(`${from}: ${text} (earlier)`)
  }
})

for await (const text of createInterface(process.stdin)) if (text !== '') chat.send('say', { text })
// Lines typed before the connection are sent first.
await chat.opened
chat.close()
