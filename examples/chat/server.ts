import closeWithGrace from 'close-with-grace'
import { createChat } from './app.js'

const port = Number(process.env['PORT'] ?? 3000)
const host = process.env['HOST'] ?? 'localhost'

const app = await createChat({
  // A public key protects nothing, and neither do the passwords of the demo users. With a random
  // one all users would have to sign in again after a restart.
  secret: process.env['JWT_SECRET'] ?? 'the public key of a demo, never one of a real server',
  fastify: {
    logger: {
      transport: {
        target: 'pino-pretty',
        options: {
          translateTime: 'HH:MM:ss',
          ignore: 'pid,hostname,reqId,connection',
          singleLine: true
        }
      }
    }
  }
})

// Closing takes up to 5 seconds, so the process gets a little more before it is ended anyway.
closeWithGrace({ delay: 8_000, logger: app.log }, async ({ signal, err }) => {
  if (err === undefined) app.log.info(`${signal ?? 'end'}: closing`)
  else app.log.error(err)
  await app.close()
})

try {
  const address = await app.listen({ port, host })
  console.log(`
  Open ${address} in two tabs.
  Sign in as alice (password: alice) in one and as bob (password: bob), who is an admin, in the other.
`)
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
  console.error(`Port ${port} is taken. Give another: PORT=${port + 1} npm start`)
  await app.close()
  process.exit(1)
}
