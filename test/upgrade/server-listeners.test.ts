import Fastify from 'fastify'
import t from 'tap'
import { furtherServers } from '../../src/upgrade/server-listeners.js'

t.test('the further servers of Fastify are found from any scope, and nothing where there are none', async (t) => {
  const app = Fastify()
  await app.register(async (scope) => { t.equal(furtherServers(scope), furtherServers(app)) })
  await app.ready()
  t.ok(Array.isArray(furtherServers(app)))
  t.strictSame(furtherServers({}), [])
})
