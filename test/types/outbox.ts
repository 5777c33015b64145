// The functions of the outbox have the types of the messages of their route.
import Fastify from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { LatestBy, SharedOptions, SocketRouteOptions } from 'fastify-socket-route'
import { Type } from 'typebox'
import { is } from './expect.js'

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
const schema = {
  in: { watch: { data: Type.Object({ symbol: Type.String() }) } },
  out: {
    price: Type.Object({ symbol: Type.String(), at: Type.Unsafe<Date>(Type.String()) }),
    missed: Type.Object({ count: Type.Integer() }),
    bye: null
  }
}
const on = { watch () {} }

// With a contract: one of its messages, and the notice as it is on the wire.
app.socketRoute('/prices', { schema, on }, {
  outbox: {
    overflow: {
      latestBy (message) {
        is<'price' | 'missed' | 'bye'>()(message.type)
        if (message.type !== 'price') return undefined
        is<{ symbol: string, at: Date }>()(message.data)
        // @ts-expect-error no such member of the data
        message.data.symbl.trim()
        return message.data.symbol
      }
    },
    notice (dropped) {
      is<number>()(dropped)
      return { type: 'missed', data: { count: dropped } }
    }
  }
})
app.socketRoute('/prices', { schema, on }, {
  outbox: { notice: () => ({ type: 'price', data: { symbol: 'a', at: '2026-01-01' } }) }
})
app.socketRoute('/prices', { schema, on }, { outbox: { notice: () => ({ type: 'bye' }) } })
// @ts-expect-error not a message of the contract
app.socketRoute('/prices', { schema, on }, { outbox: { notice: () => ({ type: 'gap' }) } })
app.socketRoute('/prices', { schema, on }, {
  // @ts-expect-error not the data of the message
  outbox: { notice: (dropped) => ({ type: 'missed', data: { dropped } }) }
})
// @ts-expect-error a message that the contract does not have
const latestOf: LatestBy<{ type: 'price', data: { symbol: string } }> = ({ data }) => data.symbl
// @ts-expect-error not for each message of the contract
app.socketRoute('/prices', { schema, on }, { outbox: { overflow: { latestBy: latestOf } } })

// Without a contract any value is sent. The function may declare which.
app.socketRoute('/raw', { onOpen: () => 'hi' }, {
  outbox: {
    overflow: { latestBy (message) { is<unknown>()(message); return message } },
    notice: (dropped) => ({ missed: dropped })
  }
})

app.socketRoute('/raw', { onOpen: () => 'hi' }, {
  outbox: { overflow: { latestBy: (message: { symbol?: string }) => message.symbol } }
})
app.socketRoute('/raw', { onOpen: () => 'hi' }, {
  // @ts-expect-error a notice must be a message
  outbox: { notice: () => 5 }
})
const bySymbol: LatestBy = (message: { symbol?: string }) => message.symbol
app.socketRoute('/raw', { onOpen: () => 'hi' }, { outbox: { overflow: { latestBy: bySymbol } } })

// Options that are declared for any route.
const declared: SocketRouteOptions = {
  outbox: { overflow: { latestBy: (message) => message }, notice: () => 'missed' }
}
const shared: SharedOptions = declared
app.socketRoute('/prices', { schema, on }, declared)
app.socketRoute('/raw', { onOpen () {} }, shared)
app.socketRoute('/prices', { schema, on }, { ...shared, isGranted: 'ROLE_USER' })
