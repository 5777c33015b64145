/** A user, as the token says it. */
export interface User {
  readonly name: string
  readonly roles: readonly string[]
  readonly teams: readonly string[]
}

const users: readonly User[] = [
  { name: 'alice', roles: ['ROLE_USER'], teams: ['red'] },
  { name: 'bob', roles: ['ROLE_EDITOR'], teams: ['blue'] },
  { name: 'carol', roles: ['ROLE_ADMIN'], teams: ['red'] },
  { name: 'dave', roles: ['ROLE_AUDITOR'], teams: [] }
]

/** The user with a name. An app would ask for a password. */
export function findUser (name: string): undefined | User {
  return users.find((user) => user.name === name)
}

/**
 * Whether a user belongs to a team now, not when the token was issued. An app would ask its
 * database.
 */
export async function belongsTo ({ name }: User, team: string): Promise<boolean> {
  return findUser(name)?.teams.includes(team) ?? false
}
