import type { Identity, Name } from '../connection/identity.js'
import { earlierOf, ownEnd } from './claims.js'
import type { Claims, SubjectReader } from './subject.js'

/**
 * Adds to the identity of a token what the user of the request says of itself. A client can send a
 * token beside its session, and nothing shows from which of them a hook has set the user. So the
 * subject and the expiry of the user count as well, where no token has them.
 *
 * @param user the user that a hook has set.
 * @param said the claims of the tokens, and the users that `@fastify/jwt` made of them.
 */
export function withSession (
  identity: Identity,
  user: unknown,
  said: readonly Claims[],
  subject: SubjectReader
): Identity {
  const own = Object(user) as Claims
  // The expiry of a token may count from another moment than its `exp`.
  const end = said.some(({ exp }) => exp === own['exp']) ? undefined : ownEnd(own)
  return {
    ...identity,
    session: nameOf(own, said, subject),
    exp: earlierOf(identity.exp, end)
  }
}

// The name of a user, unless a token has the same one.
function nameOf (
  own: Claims,
  said: readonly Claims[],
  subject: SubjectReader
): undefined | Name {
  // The function `subject` of the app may need claims that formatUser has dropped.
  const [claims = {}] = said
  const read = (given: Claims) => {
    try {
      return subject(laidOver(given, claims))
    } catch {
      // There is no valid subject.
    }
  }
  const name = read(own)
  if (name === undefined || said.some((each) => read(each)?.subject === name.subject)) return
  const { iat } = own
  return { ...name, iat: typeof iat === 'number' ? iat : undefined }
}

// The claims of a token with those of a user laid over them. A proxy, as the user may be an
// instance of a class of the app whose claims are getters.
function laidOver (given: Claims, claims: Claims): Claims {
  return new Proxy(claims, {
    get: (_claims, name) => Reflect.get(given, name) ?? Reflect.get(claims, name)
  })
}
