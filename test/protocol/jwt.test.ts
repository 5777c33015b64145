import fc from 'fast-check'
import t from 'tap'
import { payloadOf } from '../../src/protocol/jwt.js'

const tokenOf = (payload: string) => `x.${Buffer.from(payload).toString('base64url')}.y`

t.test('the payload of a token is read, with every character', async (t) => {
  for (const claims of [
    {},
    { exp: 1_700_000_000 },
    { sub: 'Ærøskøbing ÿþ?>~~~' },
    { sub: '日本 😀' }
  ]) {
    t.strictSame(payloadOf(tokenOf(JSON.stringify(claims))), claims)
  }
})

t.test('it is read without atob and TextDecoder, at any length', async (t) => {
  t.intercept(globalThis, 'atob', { value: undefined })
  t.intercept(globalThis, 'TextDecoder', { value: undefined })
  fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), (sub) => {
    t.strictSame(payloadOf(tokenOf(JSON.stringify({ sub }))), { sub })
  }))
})

t.test('any other text has none', async (t) => {
  for (const token of [
    '',
    'opaque',
    'a.b.c',
    '...',
    'a..c',
    tokenOf('{'),
    'x.{}.y',
    'x.bnVs=bA.y',
    `x.${Buffer.from([0x22, 0xff, 0x22]).toString('base64url')}.y`
  ]) {
    t.equal(payloadOf(token), undefined, token)
  }
})
