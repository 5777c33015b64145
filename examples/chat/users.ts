/** The user of a token. */
export interface User {
  readonly name: string
  readonly roles: string[]
}

// Users of a demo: an app keeps hashes of passwords, in a database.
const users = new Map<string, { readonly password: string, readonly roles: string[] }>([
  ['alice', { password: 'alice', roles: ['ROLE_USER'] }],
  ['bob', { password: 'bob', roles: ['ROLE_ADMIN'] }]
])

/** The user with this name and password, if there is one. */
export function findUser (name: string, password: string): undefined | User {
  const user = users.get(name)
  return user?.password === password ? { name, roles: user.roles } : undefined
}
