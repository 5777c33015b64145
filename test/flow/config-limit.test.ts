import t from 'tap'
import { connect, refusal } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

// As @fastify/rate-limit: a counter for each route that its config asks for, in a hook that is
// added when the route is registered.
for (const hook of ['onRequest', 'preHandler', 'preParsing', 'preValidation'] as const) {
  t.test(`a limit by config in ${hook} counts once for all spellings of a path`, async (t) => {
    const app = await createApp(t)
    let counters = 0
    app.addHook('onRoute', (options) => {
      const { limit } = options.config as undefined | { limit?: number } ?? {}
      if (limit === undefined) return
      let count = 0
      counters++
      const check = async () => {
        if (++count > limit) throw Object.assign(new Error('too many'), { statusCode: 429 })
      }
      options[hook] = [...[options[hook] ?? []].flat(), check] as never
    })
    app.socketRoute('/chat', { onOpen: () => 'in' }, { config: { limit: 2 } as object })
    app.socketRoute('/files/:id?', { onOpen: () => 'in' }, { config: { limit: 3 } as object })
    app.socketRoute('/free', { onOpen: () => 'in' })
    const url = await listen(app)
    for (const path of ['/chat', '/chat/']) t.equal(await (await connect(url + path)).next(), 'in')
    for (const path of ['/chat', '/chat/']) t.equal((await refusal(url + path)).status, 429, path)
    for (const path of ['/files', '/files/', '/files/5']) {
      t.equal(await (await connect(url + path)).next(), 'in')
    }
    for (const path of ['/files', '/files/', '/files/5', '/files/5/']) {
      t.equal((await refusal(url + path)).status, 429, path)
    }
    for (const path of ['/free', '/free/', '/free']) {
      t.equal(await (await connect(url + path)).next(), 'in')
    }
    t.equal(counters, 6, 'though there is one for each')
  })
}
