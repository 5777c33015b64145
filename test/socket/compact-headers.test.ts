import t from 'tap'
import { compactHeaders, outlines } from '../../src/socket/compact-headers.js'

t.test('headers come back as they were, in their order', async (t) => {
  const headers = { 'x-own': 'Zoë', host: 'example.com', cookie: '', accept: '*/*' }
  const restored = compactHeaders(headers)!.restore()
  t.strictSame(restored, headers)
  t.strictSame(Object.keys(restored), Object.keys(headers))
})

t.test('as many kinds of browsers as there may be, and headers as long as they may be, are told apart', async (t) => {
  const given = Array.from({ length: 1_050 }, (_, index) => ({ 'user-agent': `a browser ${index}`, cookie: `n=${index}` }))
  t.strictSame(given.map((headers) => compactHeaders(headers)!).map((kept) => kept.restore()), given)
  const long = { 'user-agent': 'a'.repeat(4_000) }
  t.strictSame(compactHeaders(long)!.restore(), long)
})

t.test('only so many outlines are shared, and none that is long', async (t) => {
  outlines.clear()
  for (let index = 0; index < 1_000; index++) compactHeaders({ 'user-agent': `a browser ${index}` })
  t.equal(outlines.size, 1_000)
  compactHeaders({ 'user-agent': 'a'.repeat(2_048) })
  t.equal(outlines.size, 1_000)
  compactHeaders({ 'user-agent': 'one more' })
  t.equal(outlines.size, 1)
  const frame = JSON.stringify({ accept: '' }).length
  compactHeaders({ accept: 'a'.repeat(2_048 - frame) })
  t.equal(outlines.size, 2)
  compactHeaders({ accept: 'a'.repeat(2_049 - frame) })
  t.equal(outlines.size, 2)
})

t.test('headers that are not text are not kept', async (t) => {
  t.equal(compactHeaders({ 'x-count': 3 } as never), undefined)
  t.equal(compactHeaders({ 'set-cookie': ['a=1'] }), undefined)
})
