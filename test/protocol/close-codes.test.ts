import t from 'tap'
import { closeCodes } from '../../src/index.js'
import { reconnectAfter } from '../../src/protocol/close-codes.js'

t.test('every reason fits into a close frame, and every code may be sent', async (t) => {
  for (const [name, { code, reason }] of Object.entries(closeCodes)) {
    t.ok(Buffer.byteLength(reason) <= 123, name)
    t.ok(
      (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
        (code >= 4000 && code <= 4999),
      name
    )
  }
})

t.test('clients reconnect as the table says', async (t) => {
  for (const [name, { code, reason, reconnect }] of Object.entries(closeCodes)) {
    t.equal(reconnectAfter({ code, reason }), reconnect, name)
  }
})

t.test('clients reconnect after codes of proxies, not after those of apps', async (t) => {
  for (const code of [1001, 1005, 1006, 1014]) {
    t.equal(reconnectAfter({ code, reason: '' }), 'jitter')
  }
  for (const code of [1000, 1010, 1015, 3000, 4000, 4400, 4401, 4999]) {
    t.equal(reconnectAfter({ code, reason: '' }), false)
  }
})
