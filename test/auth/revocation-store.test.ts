import t from 'tap'
import {
  MemoryRevocations,
  Revocations,
  type KeptRevocation
} from '../../src/auth/revocation-store.js'
import { TestClock } from '../support/clock.js'

const alice = { user: {}, subject: 'alice', sub: 'alice', iat: 5, exp: undefined }

t.test('revocations in this process are forgotten at their end, a few at a time', async (t) => {
  const clock = new TestClock()
  const now = clock.unixNow() / 1000
  const store = new MemoryRevocations(clock)
  for (let count = 0; count < 1_000; count++) {
    store.revoke({ sub: `user ${count}`, before: now, until: now + 10 })
  }
  store.revoke({ sub: 'for ever', before: now, until: undefined })
  t.equal(store.size, 1_001)
  t.equal(store.revokedBefore('user 5'), now)
  await clock.advance(11_000)
  t.equal(store.revokedBefore('user 5'), undefined, 'also before it is swept away')
  store.revoke({ sub: 'another 0', before: now, until: now + 1_000 })
  t.ok(store.size > 990, 'all of them at once would hold others up')
  for (let count = 0; count < 1_100; count++) {
    store.revoke({ sub: `another ${count % 100}`, before: now, until: now + 1_000 })
  }
  t.equal(store.size, 101)
  t.equal(store.revokedBefore('for ever'), now)
})

t.test('a revocation without until ends when no token can be that old', async (t) => {
  const clock = new TestClock()
  const kept: KeptRevocation[] = []
  const create = () => new Revocations(
    clock,
    { revoke: (revocation) => { kept.push(revocation) }, revokedBefore: () => undefined },
    10_000
  )
  const untilOf = async (revocations: Revocations, until?: number) => {
    await revocations.keep({ sub: 'alice', before: 100, until })
    return kept.pop()!.until
  }
  const revocations = create()
  t.equal(await untilOf(revocations), undefined, 'before the routes are known')
  revocations.expect(60)
  revocations.expect(3_600)
  t.equal(await untilOf(revocations), 3_700)
  t.equal(await untilOf(revocations, 500), 500)
  revocations.isRevoked(alice)
  t.equal(await untilOf(revocations), 3_700)
  revocations.isRevoked({ ...alice, iat: undefined })
  t.equal(await untilOf(revocations), undefined, 'a user whose age is not known has come')
  t.equal(await untilOf(revocations, 500), 500)

  const mixed = create()
  mixed.expect(60)
  mixed.expect(Infinity)
  t.equal(await untilOf(mixed), undefined, 'one verifier takes tokens of any age')
})
