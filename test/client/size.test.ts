import t from 'tap'
import { clientSize, LIMIT } from '../../bench/client-size.js'

t.test('the client is less than 5 kB, minified and gzipped', async (t) => {
  const { own, all } = await clientSize()
  t.ok(own > 1_000 && own < LIMIT, `${own} bytes`)
  t.ok(all > own, 'without partysocket')
})
