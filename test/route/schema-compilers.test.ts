import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { compilersOf } from '../../src/route/schema-compilers.js'

t.test('compilers of the app are used', async (t) => {
  const app = Fastify()
  const asked: unknown[] = []
  app.setValidatorCompiler((asking) => {
    asked.push(asking)
    return () => true
  })
  app.setSerializerCompiler((asking) => {
    asked.push(asking)
    return () => 'written'
  })
  const compilers = compilersOf(app, '/chat')
  t.equal(compilers.validator({ type: 'string' })(1), true)
  t.equal(compilers.serializer({ type: 'string' })(1), 'written')
  t.same(asked, [
    { schema: { type: 'string' }, method: 'GET', url: '/chat', httpPart: 'body' },
    { schema: { type: 'string' }, method: 'GET', url: '/chat' }
  ])
})

t.test('Fastify makes its own where no route has needed them yet', async (t) => {
  const app = Fastify()
  t.equal(app.validatorCompiler, undefined)
  const compilers = compilersOf(app, '/chat')
  t.equal(compilers.validator({ type: 'string' })(1), true, 'a number is made a text')
  t.equal(compilers.validator({ type: 'string' })({}), false)
  t.equal(
    compilers.serializer({ type: 'object', properties: { a: { type: 'string' } } })({ a: 1, b: 2 }),
    '{"a":"1"}'
  )
})

t.test('a Fastify that is made in another way needs compilers of the app', async (t) => {
  const validatorCompiler = () => () => true
  const serializerCompiler = () => () => ''
  t.throws(
    () => compilersOf({} as FastifyInstance, '/chat'),
    { code: 'FSR_ERR_CONTRACT_INVALID', message: /setValidatorCompiler/ }
  )
  t.throws(
    () => compilersOf({ validatorCompiler } as unknown as FastifyInstance, '/chat'),
    { code: 'FSR_ERR_CONTRACT_INVALID' }
  )
  t.equal(
    compilersOf(
      { validatorCompiler, serializerCompiler } as unknown as FastifyInstance,
      '/chat'
    ).serializer({})({}),
    ''
  )
})
