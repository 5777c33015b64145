// npx tsx examples/roles/server.ts
import { randomBytes } from 'node:crypto'
import { createApp } from './app.js'

const app = await createApp({
  secret: process.env['JWT_SECRET'] ?? randomBytes(32).toString('hex'),
  fastify: { logger: true }
})
await app.listen({ port: Number(process.env['PORT'] ?? 3000) })
console.log(app.printSocketRoutes())
