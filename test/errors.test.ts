import { readFileSync } from 'node:fs'
import t from 'tap'
import { errors } from '../src/index.js'
import { asError, closeReasonOf, isRefusal } from '../src/errors.js'

const instances = Object.entries(errors).map(([name, Constructor]) => ({
  name,
  error: new Constructor()
}))

t.test('every error has a code of its own with the prefix', async (t) => {
  for (const { name, error } of instances) t.match(error.code, /^FSR_ERR_[A-Z0-9_]+$/, name)
  t.equal(new Set(instances.map(({ error }) => error.code)).size, instances.length)
})

t.test('an error has an HTTP status before the upgrade, and a close code after it', async (t) => {
  for (const { name, error } of instances) {
    t.ok(error.statusCode! >= 400 || error.close !== undefined, name)
  }
})

t.test('docs/errors.md has each error, with its status or close code, and no other', async (t) => {
  const documented = new Map(
    [...readFileSync('docs/errors.md', 'utf8').matchAll(/^\| `(FSR_ERR_\w+)` \| ([^|]*) \|/gm)].map(
      ([, code, answer]) => [code, answer!.trim()]
    )
  )
  for (const { error } of instances) {
    const answers = [
      error.statusCode === 500 ? undefined : error.statusCode,
      error.close?.code
    ].filter((each) => each !== undefined)
    const answer = answers.join(' or ') || 'thrown'
    t.equal(documented.get(error.code), answer, error.code)
  }
  t.equal(documented.size, instances.length)
})

t.test('a thrown value is an error, also if it cannot be read', async (t) => {
  const error = new Error('x')
  t.equal(asError(error), error)
  const { proxy, revoke } = Proxy.revocable({}, {})
  const child = Object.create(proxy) as unknown
  revoke()
  for (const thrown of [undefined, 'x', proxy, child]) {
    t.match(asError(thrown), { code: 'FSR_ERR_NOT_AN_ERROR' })
  }
})

t.test('an error of another origin closes with 1011', async (t) => {
  t.equal(closeReasonOf(new errors.MessageNotJson()).code, 1007)
  for (const error of [
    new Error('x'),
    null,
    'x',
    Object.assign(new Error('x'), { code: 5, close: () => {} }),
    Object.assign(new Error('x'), { code: 'ERR', close: {} })
  ]) {
    t.equal(closeReasonOf(error).code, 1011)
  }
})

t.test('a thrown value that is no error is no refusal', async (t) => {
  const { proxy, revoke } = Proxy.revocable(new Error('x'), {})
  revoke()
  t.notOk(isRefusal(proxy))
  t.notOk(isRefusal(undefined))
  t.ok(isRefusal(new errors.TypeUnknown()))
})
