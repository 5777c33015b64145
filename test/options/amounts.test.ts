// Durations, sizes and counts are checked alike, in every option and in every call.
import t from 'tap'
import type { AnyKind, Level } from '../../src/options/option-kinds.js'
import { optionTable, type Row } from '../../src/options/option-table.js'
import { defaults, resolveOptions } from '../../src/options/resolve-options.js'
import { nameOf, rightAmounts, wrongAmounts } from '../support/amounts.js'
import { connect, connectAs } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'

const LONGEST = 2 ** 31 - 1
const invalid = { code: 'FSR_ERR_OPTION_INVALID' }

interface Asking<Answer = unknown> {
  request (type: string, data: null, options: object): Promise<Answer>
}

interface Numeric {
  readonly name: string
  readonly unit: string
  readonly levels: readonly Level[]
  readonly optionsWith: (value: unknown) => object
}

// Members needed beside a member that alone has no effect.
const beside: Readonly<Record<string, object>> = {
  rate: { messages: 5, bytes: 5 },
  connections: { perRoute: 5, perIp: 5 }
}

/** Every option that is a number, and every member of an option that is one. */
function numericOptions (): Numeric[] {
  return Object.entries(optionTable).flatMap(([name, row]: [string, Row]) => {
    const { levels, unit } = row
    const members: Array<[string, AnyKind]> = Object.entries(row.members ?? {})
    return [
      ...unit === undefined
        ? []
        : [{ name, unit, levels, optionsWith: (value: unknown) => ({ [name]: value }) }],
      ...members.flatMap(([member, { unit }]) => unit === undefined
        ? []
        : [{
            name: `${name}.${member}`,
            unit,
            levels,
            optionsWith: (value: unknown) => ({ [name]: { ...beside[name], [member]: value } })
          }])
    ]
  })
}

const numeric = numericOptions()
// A number, or { max }.
const perUser = {
  name: 'connections.perUser',
  unit: 'connections',
  levels: ['plugin', 'scope', 'route']
} as const
const all: Numeric[] = [
  ...numeric,
  { ...perUser, optionsWith: (value) => ({ connections: { perIp: 5, perUser: value } }) },
  { ...perUser, optionsWith: (value) => ({ connections: { perUser: { max: value } } }) }
]

t.test('every numeric option rejects the same values, and names itself and its unit', async (t) => {
  t.ok(all.length > 25)
  for (const { name, unit, levels, optionsWith } of all) {
    for (const level of levels) {
      for (const value of [...wrongAmounts, Infinity, 0]) {
        const options = optionsWith(value)
        t.throws(
          () => resolveOptions(defaults, options, level),
          { ...invalid, message: new RegExp(`^Option ${name}\\b`) },
          `${name}: ${nameOf(value)}`
        )
      }
      t.throws(
        () => resolveOptions(defaults, optionsWith(-1), level),
        { message: `Option ${name} is not a positive integer below 2^31 (${unit}), but -1` }
      )
    }
  }
})

t.test('every numeric option takes the same values, and undefined for its default', async (t) => {
  // An inner level can only lower it.
  const outer = { ...defaults, maxPayload: LONGEST }
  for (const { name, levels, optionsWith } of all) {
    for (const level of levels) {
      for (const value of rightAmounts) {
        t.doesNotThrow(() => resolveOptions(outer, optionsWith(value), level), `${name}: ${value}`)
      }
    }
  }
  for (const { name, levels: [level], optionsWith } of numeric) {
    t.doesNotThrow(
      () => resolveOptions(outer, optionsWith(undefined), level!),
      `${name}: undefined`
    )
  }
})

t.test('the timeout of a request is checked as options are, and may be Infinity', async (t) => {
  const app = await createApp(t)
  const opened = new Promise<Asking>((resolve) => {
    app.socketRoute('/', {
      schema: { out: { ask: { data: { type: 'null' }, reply: { type: 'null' } } } },
      on: {},
      async onOpen (connection) {
        await connection.join('room')
        resolve(connection as never)
      }
    })
  })
  await connect(await listen(app))
  const connection = await opened
  const room = app.socketRoutes.get('/')!.to('room').local as unknown as Asking<[{ reason: Error }]>
  const signal = AbortSignal.abort(new Error('not sent'))
  const calls = [
    async (timeout: unknown) => await connection.request('ask', null, { timeout, signal }),
    async (timeout: unknown) => {
      const [{ reason }] = await room.request('ask', null, { timeout, signal })
      throw reason
    }
  ]
  for (const call of calls) {
    for (const value of [...wrongAmounts, 0]) {
      await t.rejects(
        call(value),
        {
          ...invalid,
          message: /^Option timeout of request\(\) is neither Infinity nor a positive integer below 2\^31 \(milliseconds\), but /
        },
        nameOf(value)
      )
    }
    for (const value of [...rightAmounts, Infinity, undefined]) {
      await t.rejects(call(value), { message: 'not sent' }, String(value))
    }
  }
})

t.test('a time in seconds is a number from 0 on, with fractions', async (t) => {
  const app = await createApp(t)
  const wrong = [
    ...wrongAmounts.filter((value) => !(typeof value === 'number' && value > 0 && value < 1e11)),
    Infinity,
    1e11
  ]
  for (const name of ['before', 'until'] as const) {
    for (const value of wrong) {
      await t.rejects(
        app.socketRevoke({ sub: 'alice', [name]: value as number }),
        { ...invalid, message: new RegExp(`^Argument ${name} of socketRevoke\\(\\) is `) },
        nameOf(value)
      )
    }
    for (const value of [0, 1.5, 1_700_000_000, undefined]) {
      t.equal(await app.socketRevoke({ sub: 'alice', [name]: value }), 0)
    }
  }
})

t.test('the longest durations start no timer that Node would end at once', async (t) => {
  const clock = new TestClock()
  const times: number[] = []
  for (const method of ['after', 'every'] as const) {
    const start = clock[method].bind(clock)
    clock[method] = (milliseconds: number, ...rest: [() => void]) => {
      times.push(milliseconds)
      return start(milliseconds, ...rest)
    }
  }
  const longest = (level: Level) => numeric.filter(({ unit, levels }) => unit === 'milliseconds' &&
    levels.includes(level))
    .reduce((options: Record<string, object>, { name, optionsWith }) => {
      const [whole] = name.split('.')
      const [value] = Object.values(optionsWith(LONGEST)) as [object]
      return {
        ...options,
        [whole!]: typeof value === 'object' ? { ...options[whole!], ...value } : value
      }
    }, {})
  const app = await createApp(t, {
    clock,
    fastify: { pluginTimeout: 0 },
    plugin: longest('plugin')
  })
  const chat = app.socketRoute('/', {
    schema: { in: {}, out: { ask: { reply: { type: 'null' } } } },
    on: {},
    onOpen: (connection) => {
      connection.request('ask', undefined, { timeout: LONGEST }).catch(() => {})
    }
  }, {
    isGranted: 'ROLE_USER',
    tokenFrom: ['header', 'message'],
    requireExpiry: true,
    ...longest('route')
  })
  const url = await listen(app)
  const client = await connectAs(tokenOf(app, ['ROLE_USER'], { exp: 1e10 }), url)
  // Its token is waited for.
  const other = await connect(url)
  await client.next()
  t.equal(chat.clients.size, 1)
  await Promise.all([client.close(), other.close()])
  t.ok(times.filter((time) => time === LONGEST).length >= 4, String(times))
  t.ok(times.every((time) => time <= LONGEST))
})
