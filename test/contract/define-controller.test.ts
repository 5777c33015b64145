// A controller with a contract may be written anywhere, and as a class.
import t from 'tap'
import { baseController, defineController, SocketRoute } from '../../src/index.js'
import { connect, type Client } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

const schema = { in: { count: { reply: { type: 'integer' } } } } as const

const ask = async (client: Client): Promise<unknown> => {
  client.send('{"type":"count","id":1}')
  return await client.json()
}

class Counter extends baseController()(schema) {
  #count = 0

  override readonly on = this.handlers({ count: () => ++this.#count })

  override onOpen (): void {
    this.#count += 10
  }
}

t.test('as an object', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/object', defineController()({ schema, on: { count: () => 1 } }))
  t.same(await ask(await connect(`${await listen(app)}/object`)), { type: 'reply', id: 1, data: 1 })
})

t.test('a class or an instance has handlers and callbacks of its own', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/class', Counter)
  app.socketRoute('/instance', new Counter())
  const url = await listen(app)
  t.same(await ask(await connect(`${url}/class`)), { type: 'reply', id: 1, data: 11 })
  t.same(await ask(await connect(`${url}/class`)), { type: 'reply', id: 1, data: 22 })
  t.same(await ask(await connect(`${url}/instance`)), { type: 'reply', id: 1, data: 11 })
})

t.test('its onError and onClose are its own too', async (t) => {
  const app = await createApp(t)
  const heard: string[] = []
  const closed = new Promise<void>((resolve) => {
    app.socketRoute('/class', class extends baseController()(schema) {
      readonly #name = 'mine'

      override readonly on = this.handlers({ count: () => { throw new Error(this.#name) } })

      override onError (_connection: unknown, error: Error): void {
        heard.push(`${this.#name}: ${error.message}`)
      }

      override onClose (): void {
        heard.push(this.#name)
        resolve()
      }
    })
  })
  const client = await connect(`${await listen(app)}/class`)
  await ask(client)
  client.socket.close()
  await closed
  t.same(heard, ['mine: mine', 'mine'])
})

t.test('as a class with a decorator', async (t) => {
  const app = await createApp(t)
  class Decorated extends Counter {}
  SocketRoute({ path: '/decorated' })(Decorated)
  app.socketController(Decorated)
  t.same(await ask(await connect(`${await listen(app)}/decorated`)), {
    type: 'reply',
    id: 1,
    data: 11
  })
})
