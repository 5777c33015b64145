import t from 'tap'
import { closeCodes } from '../src/index.js'

t.test('every reason fits into a close frame, and every code may be sent', async (t) => {
  for (const [name, { code, reason }] of Object.entries(closeCodes)) {
    t.ok(Buffer.byteLength(reason) <= 123, name)
    t.ok((code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 4000 && code <= 4999), name)
  }
})
