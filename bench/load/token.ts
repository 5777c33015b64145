import { createHmac } from 'node:crypto'

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')

/** A token as `@fastify/jwt` signs it, of a user of its own, good for an hour. */
export function createToken (secret: string, user: number, roles = ['ROLE_USER']): string {
  const now = Math.floor(Date.now() / 1000)
  const unsigned = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: `user-${user}`, roles, iat: now, exp: now + 3600 })}`
  return `${unsigned}.${createHmac('sha256', secret).update(unsigned).digest('base64url')}`
}
