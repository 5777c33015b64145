// NestJS with its adapter for `ws`, which speaks JSON of the form { event, data }. What decorators
// do is called by hand here, as this is plain JavaScript.
import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { WsAdapter } from '@nestjs/platform-ws'
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway
} from '@nestjs/websockets'
import { listens } from './child.js'

const room = new Set()

class Gateway {
  handleConnection (socket) { room.add(socket) }
  handleDisconnect (socket) { room.delete(socket) }
  echo (data) { return { event: 'echo', data } }
  all (data, socket) { this.#relay('all', data, socket) }
  room (data, socket) { this.#relay('room', data, socket) }

  #relay (event, data, socket) {
    const message = JSON.stringify({ event, data })
    for (const member of room) if (member !== socket) member.send(message)
  }
}
for (const event of ['echo', 'all', 'room']) {
  SubscribeMessage(event)(
    Gateway.prototype,
    event,
    Object.getOwnPropertyDescriptor(Gateway.prototype, event)
  )
  MessageBody()(Gateway.prototype, event, 0)
  ConnectedSocket()(Gateway.prototype, event, 1)
}
WebSocketGateway({ path: '/' })(Gateway)

class App {}
Module({ providers: [Gateway] })(App)

const app = await NestFactory.create(App, { logger: ['error', 'warn'] })
app.useWebSocketAdapter(new WsAdapter(app))
await app.listen(0, '127.0.0.1')
listens(app.getHttpServer().address().port)
