import t from 'tap'
import { createCheck, type Validator } from '../../src/contract/validation.js'

const refusing = (errors: unknown, schemaEnv?: Validator['schemaEnv']): Validator =>
  Object.assign(() => false, { errors, ...(schemaEnv && { schemaEnv }) })

const failureOf = (validate: Validator): Error & {
  path?: string
  answer?: string
  validation?: unknown
} => {
  try {
    createCheck(validate).accept('given')
  } catch (error) {
    return error as Error
  }
  throw new Error('it was taken')
}

t.test('a path chosen by the client is cut to a readable length', async (t) => {
  const error = failureOf(refusing([{
    instancePath: `/${'x'.repeat(1_000)}`,
    message: 'is wrong'
  }]))
  t.equal(error.path!.length, 256)
  t.equal(error.answer, 'data is wrong')
  t.notMatch(JSON.stringify(error), 'xxx', 'and nothing in a log')
})

t.test('data that is wrong as a whole has an empty path, a JSON Pointer, or none', async (t) => {
  const fault = { instancePath: '', message: 'must be string' }
  for (const validate of [
    refusing([fault], {}),
    refusing([fault]),
    () => ({ error: [fault] }),
    refusing([{ ...fault, instancePath: '/' }])
  ]) {
    const error = failureOf(validate)
    t.equal(error.answer, 'data must be string')
    t.equal(error.path, '')
  }
  t.equal(
    failureOf(refusing([{ ...fault, instancePath: '/' }], {})).path,
    '/',
    'a property without a name, as Ajv tells it'
  )
  for (const validate of [
    refusing(undefined),
    refusing([]),
    refusing([{ message: 'is wrong' }]),
    () => ({ error: new Error('no') })
  ]) {
    t.notOk('path' in failureOf(validate))
  }
})

t.test('an error text has the schema path of Ajv, and does not quote the data', async (t) => {
  const fault = {
    instancePath: '/secret',
    schemaPath: '#/properties/a/type',
    keyword: 'type',
    params: { secret: 1 },
    message: "'secret' is wrong"
  }
  t.equal(
    failureOf(refusing([fault], {})).message,
    'data does not match the contract, at #/properties/a/type of its schema'
  )
  t.equal(
    failureOf(refusing([{ ...fault, schemaPath: undefined }], {})).message,
    'data does not match the contract'
  )
  for (const validate of [
    refusing([fault]),
    () => ({ error: new Error('secret') }),
    () => ({ error: [fault] }),
    () => ({ error: 'secret' })
  ]) {
    const error = failureOf(validate)
    t.equal(error.message, 'data does not match the contract')
    t.notMatch(JSON.stringify(error) + String(error.stack), 'secret')
    t.match(
      JSON.stringify([error.validation, String(error.validation)]),
      'secret',
      'the app may look at it'
    )
  }
})

t.test('an error of a validator is for the app alone; data too deep is rejected', async (t) => {
  const cause = new TypeError('secret')
  const error = failureOf(() => { throw cause })
  t.match(error, { code: 'FSR_ERR_VALIDATOR_FAILED', validation: cause })
  t.notMatch(error.message + String(error.stack) + JSON.stringify(error), 'secret')
  t.match(failureOf(() => { throw new RangeError('Maximum call stack size exceeded') }), {
    code: 'FSR_ERR_DATA_INVALID'
  })
})

t.test('the value that a validator makes of the data is used', async (t) => {
  t.equal(createCheck(() => ({ error: undefined, value: 'made' })).accept('given'), 'made')
  t.equal(createCheck(() => ({ error: null, value: undefined })).accept('given'), undefined)
  for (const answer of [undefined, null, true, 0, 'text', {}, () => {}]) {
    t.equal(createCheck(() => answer).accept('given'), 'given')
  }
  const coercing = Object.assign(
    (_data: unknown, holder?: { parentData: { data: unknown } }) => {
      holder!.parentData.data = 'made'
    },
    { schemaEnv: {} }
  )
  t.equal(createCheck(coercing).accept('given'), 'made')
  t.strictSame(
    [coercing, () => true].map((validate) => createCheck(validate).isSync),
    [true, false],
    'only Ajv tells before that it does not wait'
  )
})

t.test("the result of a validator's promise is ignored, but for false", async (t) => {
  for (const data of [{ value: 1 }, { error: 1 }]) {
    t.equal(await createCheck(async (data) => data).accept(data), data)
  }
  await t.rejects(
    createCheck(Object.assign(async () => false, { errors: [{ message: 'is wrong' }] })).accept(
      'given'
    ) as Promise<unknown>,
    { code: 'FSR_ERR_DATA_INVALID', answer: 'data is wrong' }
  )
  // eslint-disable-next-line prefer-promise-reject-errors
  await t.rejects(createCheck(() => Promise.reject()).accept(
    'given'
  ) as Promise<unknown>, {
    code: 'FSR_ERR_DATA_INVALID'
  })
})

t.test('two messages validated at the same time get their own values', async (t) => {
  const pending: Array<() => void> = []
  const slow = Object.assign(async (data: unknown, holder?: { parentData: { data: unknown } }) => {
    await new Promise<void>((resolve) => { pending.push(resolve) })
    holder!.parentData.data = `made of ${String(data)}`
  }, { schemaEnv: { $async: true } })
  const { accept, isSync } = createCheck(slow)
  const both = Promise.all([accept('one'), accept('two')])
  for (const resolve of pending.reverse()) resolve()
  t.strictSame(await both, ['made of one', 'made of two'])
  t.notOk(isSync)
})
