import t from 'tap'
import { keepHeaders } from '../../src/connection/kept-headers.js'

t.test('headers come back as they were, in their order', async (t) => {
  const headers = { 'x-own': 'Zoë', host: 'example.com', cookie: '', accept: '*/*' }
  const restored = keepHeaders(headers)!.restore()
  t.strictSame(restored, headers)
  t.strictSame(Object.keys(restored), Object.keys(headers))
})

t.test('as many kinds of browsers as there may be, and headers as long as they may be, are told apart', async (t) => {
  const given = Array.from({ length: 1_050 }, (_, index) => ({ 'user-agent': `a browser ${index}`, cookie: `n=${index}` }))
  t.strictSame(given.map((headers) => keepHeaders(headers)!).map((kept) => kept.restore()), given)
  const long = { 'user-agent': 'a'.repeat(4_000) }
  t.strictSame(keepHeaders(long)!.restore(), long)
})

t.test('headers that are not text are not kept', async (t) => {
  t.equal(keepHeaders({ 'x-count': 3 } as never), undefined)
  t.equal(keepHeaders({ 'set-cookie': ['a=1'] }), undefined)
})
