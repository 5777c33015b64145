import t from 'tap'
import { clientSize, LIMIT } from '../../bench/client-size.js'

t.test('the client is less than 6 kB, minified and gzipped', async (t) => {
  const size = await clientSize()
  t.ok(size > 1_000 && size < LIMIT, `${size} bytes`)
})
