// How the targets that have no plugin for it look at a token.
import { createVerifier } from 'fast-jwt'
import { config } from './child.js'

const verify = createVerifier({ key: config.secret, algorithms: ['HS256'] })

/** The user that a header stands for, or the status of the refusal. */
export function admit (authorization) {
  let user
  try {
    user = verify(authorization.slice('Bearer '.length))
  } catch {
    return { status: 401 }
  }
  return user.roles.includes('ROLE_USER') ? { user } : { status: 403 }
}
