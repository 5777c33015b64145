// The client checks durations and counts as the server does, with a check of its own.
import t from 'tap'
import { WebSocket } from 'ws'
import { connect, type ClientOptions } from '../../src/client/index.js'
import { settingsOf } from '../../src/client/options.js'
import { checkRequestOptions } from '../../src/connection/pending-requests.js'
import { nameOf, rightAmounts, wrongAmounts } from '../support/amounts.js'

const numbers: Readonly<Record<string, (value: never) => ClientOptions>> = {
  renewBefore: (renewBefore) => ({ renewBefore }),
  timeout: (timeout) => ({ timeout }),
  connectTimeout: (connectTimeout) => ({ connectTimeout }),
  buffer: (buffer) => ({ buffer }),
  'reconnect.minDelay': (minDelay) => ({ reconnect: { minDelay } }),
  'reconnect.maxDelay': (maxDelay) => ({ reconnect: { maxDelay } }),
  'ping.interval': (interval) => ({ ping: { interval } }),
  'ping.timeout': (timeout) => ({ ping: { timeout } })
}

function isThrown (call: () => void): boolean {
  try {
    call()
    return false
  } catch {
    return true
  }
}

t.test('every option of the client that is a number is in the list', (t) => {
  const { ping, ...own } = settingsOf({})
  const names = Object.entries(own).filter(([, value]) => typeof value === 'number').map(
    ([name]) => name
  )
  t.strictSame(
    [...names, ...Object.keys(ping)].sort(),
    Object.keys(numbers).map((name) => name.split('.').at(-1)!).sort()
  )
  t.end()
})

t.test('numeric options of calls are checked as those of the server; buffer may be 0', (t) => {
  for (const [name, optionsWith] of Object.entries(numbers)) {
    for (const value of [...wrongAmounts, ...rightAmounts, Infinity, undefined]) {
      const isRefused = isThrown(() => { checkRequestOptions({ timeout: value as number }) })
      t.equal(
        isThrown(() => { settingsOf(optionsWith(value as never)) }),
        isRefused,
        `${name}: ${nameOf(value)}`
      )
    }
    if (name === 'buffer') t.doesNotThrow(() => settingsOf(optionsWith(0 as never)))
    else {
      t.throws(
        () => settingsOf(optionsWith(0 as never)),
        { name: 'RangeError', message: `${name} must be an integer > 0` }
      )
    }
  }
  t.end()
})

t.test('so do the options of calls', async (t) => {
  const client = connect(() => new Promise(() => {}), { WebSocket })
  t.teardown(() => { client.close() })
  const signal = AbortSignal.abort(new Error('not sent'))
  await t.rejects(client.request('say', 1, { timeout: 0, signal }), {
    name: 'RangeError',
    message: /^timeout /
  })
  for (const value of wrongAmounts as number[]) {
    // JavaScript itself throws for the one and the other.
    const isNoNumber = ['bigint', 'symbol'].includes(typeof value)
    const error = (name: string) => isNoNumber
      ? { name: 'TypeError' }
      : { name: 'RangeError', message: `${name} must be an integer > 0` }
    await t.rejects(
      client.request('say', 1, { timeout: value, signal }),
      error('timeout'),
      nameOf(value)
    )
    t.throws(() => client.stream('say', 1, { buffer: value }), error('buffer'), nameOf(value))
    t.throws(() => client.events('said', { buffer: value }), error('buffer'), nameOf(value))
  }
  for (const value of [...rightAmounts, Infinity]) {
    await t.rejects(client.request('say', 1, { timeout: value, signal }), { message: 'not sent' })
    for (const buffer of [value, 0]) {
      t.doesNotThrow(() => {
        client.stream('say', 1, { buffer })
        client.events('said', { buffer })
      })
    }
  }
})
