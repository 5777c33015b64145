import t from 'tap'
import {
  ageOf,
  claimsOf,
  createEndOf,
  identityOf,
  oldestOf,
  ownEnd,
  stricterOf
} from '../../src/auth/claims.js'
import { keyOf } from '../../src/auth/subject.js'

t.test('maxAge is parsed as by @fastify/jwt: seconds, or a text with a unit', async (t) => {
  t.equal(ageOf(undefined), Infinity)
  t.equal(ageOf(null), Infinity)
  t.equal(ageOf(90), 90)
  const texts: Record<string, number> = {
    100: 0.1,
    '250ms': 0.25,
    '250 milliseconds': 0.25,
    '5 msecs': 0.005,
    '90s': 90,
    '90 secs': 90,
    '10m': 600,
    '10 Min': 600,
    '1.5h': 5_400,
    '2 hours': 7_200,
    '2 hrs': 7_200,
    '.5h': 1_800,
    '7d': 604_800,
    '1 week': 604_800,
    '2 wks': 1_209_600,
    '1y': 31_557_600,
    '1 year': 31_557_600
  }
  for (const [text, seconds] of Object.entries(texts)) t.equal(ageOf(text), seconds, text)
})

t.test('the end is the first of those that the verifier looks at', async (t) => {
  t.equal(createEndOf({})({}), undefined)
  t.equal(createEndOf({})({ exp: 'tomorrow', iat: 'now' }), undefined)
  t.equal(createEndOf({ clockTolerance: 1_500 })({ exp: 10 }), 11.5)
  t.equal(createEndOf({ maxAge: 5, clockTolerance: 1_500 })({ exp: 10, iat: 1 }), 6)
  t.equal(createEndOf({ maxAge: 5 })({ exp: 10 }), 10)
  t.equal(createEndOf({ clockTimestamp: 1 })({ exp: 10 }), undefined)
  t.equal(ownEnd({ exp: 10 }), 10)
  for (const exp of ['10', NaN, Infinity, Date.now()]) {
    t.equal(ownEnd({ exp }), undefined, String(exp))
  }
  t.equal(createEndOf({})({ exp: Date.now() }), undefined, 'in milliseconds')
})

t.test('a verifier for which no time goes by takes tokens of any age', async (t) => {
  t.equal(oldestOf({ maxAge: '1h' }), 3_600)
  t.equal(oldestOf({}), Infinity)
  t.equal(oldestOf({ maxAge: '1h', clockTimestamp: 1 }), Infinity)
})

t.test('a value that is no token has no claims', async (t) => {
  for (const token of ['', '.', 'a', 'a.b.c', '..']) t.equal(claimsOf(token), undefined, token)
})

t.test('the earlier end and the earlier issue of two tokens of a user count', async (t) => {
  const token = (iat?: number, exp?: number) => identityOf('alice', undefined, { iat }, exp)
  t.match(stricterOf(token(1, 9), token(2, 8)), { iat: 1, exp: 8 })
  t.match(stricterOf(token(2), token(1, 9)), { iat: 1, exp: 9 })
  t.match(stricterOf(token(1), token()), { iat: undefined, exp: undefined })
  t.match(stricterOf(token(), token(1)), { iat: undefined, exp: undefined })
})

t.test('no two users have one key', async (t) => {
  const users: Array<[sub: string, iss?: string]> = [
    ['a'],
    ['a', 'b'],
    ['b', 'a'],
    ['["b","a"]'],
    ['["["b","a"]"]'],
    ['a', ''],
    ['["","a"]'],
    ['[', ']'],
    ['["a"]'],
    ['[\\"a\\"]'],
    ['"', ','],
    ['","', ''],
    ['', '","']
  ]
  const keys = users.map(([sub, iss]) => keyOf(sub, iss))
  t.equal(new Set(keys).size, users.length)
  t.equal(keyOf('alice'), 'alice', 'the common case is as it is')
  t.equal(keyOf('alice', 'https://id.example'), '["https://id.example","alice"]')
})
