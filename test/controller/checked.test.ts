import t from 'tap'
import { createCheck, type Validator } from '../../src/controller/checked.js'

const refusing = (errors: unknown): Validator => Object.assign(() => false, { errors })

const failureOf = (validate: Validator): unknown => {
  try {
    return createCheck(validate)('given')
  } catch (error) {
    return error
  }
}

t.test('of a path that the client has chosen no more is told than anybody reads', async (t) => {
  const error = failureOf(refusing([{ instancePath: `/${'x'.repeat(1_000)}`, message: 'is wrong' }])) as { path: string, message: string }
  t.equal(error.path.length, 256)
  t.equal(error.message, 'data is wrong')
  t.notMatch(JSON.stringify(error), 'xxx', 'and nothing in a log')
})

t.test('what is wrong as a whole has no path', async (t) => {
  const error = failureOf(refusing([{ instancePath: '', message: 'must be string' }])) as Error
  t.equal(error.message, 'data must be string')
  t.notOk('path' in error)
})

t.test('a validator may say that there is no error, or what it has made of the data', async (t) => {
  t.equal(createCheck(() => ({ error: undefined, value: 'made' }))('given'), 'made')
  t.equal(createCheck(() => ({}))('given'), 'given')
  for (const data of [{ value: 1 }, { error: 1 }]) {
    t.equal(await createCheck(async (data) => data)(data), data, 'or the data itself, as an asynchronous one of Ajv does')
    t.equal(createCheck((data) => data)(data), data)
  }
})

t.test('a list of errors without places is told all the same', async (t) => {
  t.equal((failureOf(refusing([{ message: 'is wrong' }])) as Error).message, 'data is wrong')
})
