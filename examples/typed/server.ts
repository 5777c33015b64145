// npx tsx examples/typed/server.ts
import closeWithGrace from 'close-with-grace'
import { createApp } from './app.js'

const app = await createApp({ logger: true })
closeWithGrace({ delay: 8_000, logger: app.log }, async ({ err }) => {
  if (err !== undefined) app.log.error(err)
  await app.close()
})
await app.listen({ port: Number(process.env['PORT'] ?? 3000) })
