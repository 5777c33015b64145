// How paths are compared is asked of a router, which the app's own must agree with.
import Fastify, { type FastifyServerOptions } from 'fastify'
import t from 'tap'
import { createIsSamePath, createPathOf } from '../../src/route/path-equivalence.js'

const pairs = [
  ['/a', '/a'], ['/a', '/A'], ['/a', '/a/'], ['/a//b', '/a/b'], ['/:id', '/:other'], [
    '/:id(\\d+)',
    '/:other(\\d+)'
  ], ['/:id(\\d+)', '/:id'], ['/a;b', '/a'], ['/a', '/b']
] as const
const names = [
  'caseSensitive',
  'ignoreTrailingSlash',
  'ignoreDuplicateSlashes',
  'useSemicolonDelimiter'
] as const

for (let bits = 0; bits < 2 ** names.length; bits++) {
  const routerOptions = Object.fromEntries(names.map((name, index) => [
    name,
    (bits & 2 ** index) !== 0
  ]))
  t.test(`paths are compared as by the app, with ${JSON.stringify(routerOptions)}`, async (t) => {
    const isSamePath = createIsSamePath(Fastify({ routerOptions }))
    for (const [one, other] of pairs) {
      const app = Fastify({ routerOptions, exposeHeadRoutes: false })
      app.get(one, () => {})
      let isSame = false
      try {
        app.get(other, () => {})
      } catch {
        isSame = true
      }
      t.equal(isSamePath(one, other), isSame, `${one} and ${other}`)
    }
  })
}

t.test('a path ends where the router of the app ends it', async (t) => {
  for (const useSemicolonDelimiter of [false, true]) {
    const app = Fastify({ routerOptions: { useSemicolonDelimiter } } as FastifyServerOptions)
    const pathOf = createPathOf(app)
    app.get('*', async (request) => (request.params as Record<string, string>)['*'])
    for (const url of ['/a', '/a?b', '/a;b', '/a#b', '/a;b?c', '/?', '/']) {
      t.equal((await app.inject(url)).body, pathOf(url), `${url}, ${useSemicolonDelimiter}`)
    }
  }
  t.equal(
    createPathOf({ initialConfig: { useSemicolonDelimiter: true } as object })('/a;b'),
    '/a',
    'also in versions without routerOptions'
  )
})
