// Messages sent in any way reach each client in the order of sending, compared with a model that
// does not gather.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { WebSocket } from 'ws'
import type { WsConnection } from '../../src/index.js'
import { createApp, listen } from '../support/server.js'
import { until } from '../support/until.js'

const CLIENTS = 4
const who = fc.nat(CLIENTS - 1)
const room = fc.constantFrom('red', 'green', 'blue')
const size = fc.constantFrom(0, 10, 10, 10, 200, 9_000, 40_000)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('send' as const), who, size }) },
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('broadcast' as const),
      size,
      except: fc.uniqueArray(who, { maxLength: 2 })
    })
  },
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('to room' as const),
      size,
      room,
      except: fc.option(who)
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('to rooms' as const),
      size,
      rooms: fc.array(room, { maxLength: 4 }),
      except: fc.uniqueArray(who, { maxLength: 3 })
    })
  },
  { weight: 4, arbitrary: fc.record({ what: fc.constant('join' as const), who, room }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('leave' as const), who, room }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('ping' as const), who }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('close' as const), who }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('tick' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('turn' as const) }) }
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

for (const [fastPath, compression] of [
  [true, false],
  [true, { threshold: 100 }],
  ['write', false],
  ['write', { threshold: 100 }],
  [false, false],
  [false, { threshold: 100 }]
] as const) {
  const ways = { true: 'gathered', write: 'gathered, read by ws', false: 'one by one' }
  const way = ways[`${fastPath}`]
  const form = compression === false ? way : `${way}, compressed`
  t.test(`messages arrive in the order of sending, ${form}`, async (t) => {
    const app = await createApp(t, { plugin: { fastPath, compression } })
    let opened: WsConnection[] = []
    const route = app.socketRoute('/', {
      onOpen: (connection) => { opened.push(connection as WsConnection) },
      onClose: () => 'bye'
    })
    const url = await listen(app)

    const play = async (steps: readonly Step[]): Promise<void> => {
      opened = []
      const seen: string[][] = []
      const sockets: WebSocket[] = []
      for (let index = 0; index < CLIENTS; index++) {
        const own: string[] = []
        seen.push(own)
        const socket = new WebSocket(url, { perMessageDeflate: compression !== false })
        socket.on('message', (data) => { own.push(String(data)) })
        socket.on('ping', () => { own.push('ping') })
        socket.on('close', (code) => { own.push(`closed ${code}`) })
        sockets.push(socket)
        await once(socket, 'open')
        await until(() => opened.length > index)
      }
      const expected: string[][] = sockets.map(() => [])
      const rooms = sockets.map(() => new Set<string>())
      const isClosed = sockets.map(() => false)
      const tell = (text: string, index: number) => {
        if (!isClosed[index]) expected[index]!.push(text)
      }
      for (const [number, each] of [
        ...steps,
        { what: 'broadcast', size: 10, except: [] } as const
      ].entries()) {
        const text = `${number} `.padEnd('size' in each ? each.size : 0, 'x')
        switch (each.what) {
          case 'send':
            if (!isClosed[each.who]) opened[each.who]!.send(text)
            tell(text, each.who)
            break
          case 'broadcast':
            route.broadcast(text, { except: each.except.map((index) => opened[index]!) })
            for (let index = 0; index < CLIENTS; index++) {
              if (!(each.except as number[]).includes(index)) tell(text, index)
            }
            break
          case 'to room':
            if (each.except === null) route.to(each.room).send(text)
            else opened[each.except]!.to(each.room).send(text)
            for (let index = 0; index < CLIENTS; index++) {
              if (rooms[index]!.has(each.room) && index !== each.except) tell(text, index)
            }
            break
          case 'to rooms':
            route.to(each.rooms, { except: each.except.map((index) => opened[index]!) }).send(text)
            for (let index = 0; index < CLIENTS; index++) {
              if (each.rooms.some((room) => rooms[index]!.has(room)) &&
                !(each.except as number[]).includes(index)) {
                tell(text, index)
              }
            }
            break
          case 'join':
            await opened[each.who]!.join(each.room)
            rooms[each.who]!.add(each.room)
            break
          case 'leave':
            await opened[each.who]!.leave(each.room)
            rooms[each.who]!.delete(each.room)
            break
          case 'ping':
            if (!isClosed[each.who]) opened[each.who]!.outbox.ping()
            tell('ping', each.who)
            break
          case 'close':
            opened[each.who]!.close(4000)
            tell('bye', each.who)
            tell('closed 4000', each.who)
            isClosed[each.who] = true
            break
          case 'tick': await new Promise(process.nextTick); break
          case 'turn': await turn()
        }
      }
      await until(() => seen.every((own, index) => own.length >= expected[index]!.length))
      for (const [index, socket] of sockets.entries()) if (!isClosed[index]) socket.terminate()
      await until(() => route.clients.size === 0)
      assert.deepStrictEqual(
        seen.map((own, index) => own.slice(0, expected[index]!.length)),
        expected
      )
    }
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), play), {
      numRuns: 100
    })
    t.pass('in every sequence')
  })
}
