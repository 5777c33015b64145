// A contract types a controller wherever it is written: as an object elsewhere, as a class, as a
// class with a decorator.
import Fastify, { type FastifyInstance } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { baseController, defineController, SocketRoute } from 'fastify-socket-route'
import { Type } from 'typebox'
import { is } from './expect.js'

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
const schema = {
  in: {
    say: { data: Type.Object({ text: Type.String() }) },
    join: { data: Type.String(), reply: Type.Union([Type.Literal('new'), Type.Literal('old')]) }
  },
  out: { message: Type.Object({ text: Type.String() }) }
}

export const object = defineController<TypeBoxTypeProvider>()({
  schema,
  on: {
    say (connection, { text }) {
      is<string>()(text)
      connection.send('message', { text })
      // @ts-expect-error no such message
      connection.send('say', { text })
    },
    join: (_connection, id) => id === '' ? 'new' : 'old'
  }
})
const ofObject = app.socketRoute('/object/:id', object, 'ROLE_USER')
ofObject.broadcast('message', { text: '' })
is<string>()({} as NonNullable<(typeof ofObject)['~contract']>['in']['say']['data']['text'])

defineController<TypeBoxTypeProvider>()({
  schema,
  on: {
    say () {},
    // @ts-expect-error not a reply of the contract
    join: (_connection) => 'neither'
  }
})

export class Chat extends baseController<TypeBoxTypeProvider, {
  User: { sub: string }
  Data: { count: number }
}>()(schema) {
  readonly #greeting: string

  constructor (_app: FastifyInstance) {
    super()
    this.#greeting = 'hi'
  }

  override readonly on = this.handlers({
    say: (connection, { text }) => {
      is<string>()(text)
      is<string>()(connection.user.sub)
      connection.data.count++
      connection.to('room').send('message', { text: this.#greeting })
      // @ts-expect-error not its data
      connection.send('message', { text: 1 })
    },
    join: async () => 'old' as const
  })
}
export const ofClass = app.socketRoute('/class', Chat)
ofClass.broadcast('message', { text: '' })
// @ts-expect-error no such message
ofClass.broadcast('massage', { text: '' })
// @ts-expect-error a raw message
ofClass.broadcast('message')

@SocketRoute({ path: '/decorated', isGranted: 'ROLE_USER' })
class Decorated extends Chat {}
const decorated = app.socketController(Decorated)
decorated.to('room').send('message', { text: '' })
for (const client of decorated.clients) is<number>()(client.data.count)
is<'new' | 'old'>()({} as NonNullable<(typeof decorated)['~contract']>['in']['join']['reply'])
// @ts-expect-error not its data
decorated.broadcast('message', {})
