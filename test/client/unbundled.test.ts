// A page that loads the client without a bundler, as docs/client.md has it: from dist/client and
// dist/protocol, by an import map.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { Type } from 'typebox'
import { browserTest, launch, PATIENCE } from '../support/browser.js'
import { runSample } from '../support/sample.js'
import { createApp, listen } from '../support/server.js'

t.test('a page loads the client without a bundler', browserTest, async (t) => {
  const app = await createApp(t)
  await runSample(t, 'docs/client.md', "import fastifyStatic from '@fastify/static'", app)
  const Line = Type.Object({ text: Type.String() })
  app.socketRoute('/chat', {
    schema: { in: { say: { data: Line } }, out: { line: Line } },
    on: { say (connection, data) { connection.send('line', data as { text: string }) } }
  })
  const [, html] = /^```html\n([^]*?)^```$/m.exec(readFileSync('docs/client.md', 'utf8'))!
  app.get('/', async (_request, reply) =>
    await reply.type('text/html').send(`<!doctype html><title>chat</title><body>${html!}`))
  const url = (await listen(app)).replace('ws:', 'http:')

  const tab = await (await launch(t)).newPage()
  const problems: string[] = []
  tab.on('pageerror', (error) => { problems.push(String(error)) })
  tab.on('requestfailed', (request) => { problems.push(request.url()) })
  await tab.goto(url)
  await tab.getByText('hello').waitFor({ state: 'attached', timeout: PATIENCE })
    .catch(() => { t.fail('the page shows no line') })
  t.strictSame(problems, [])
})
