// The user of a connection: as @fastify/jwt declares it, and null without a guard. Declarations of
// the app, and programs without @fastify/jwt, are in types.test.ts: declarations hold for a whole
// program.
import Fastify from 'fastify'
import type { UserType as User } from '@fastify/jwt'
import { is } from './expect.js'

const app = Fastify()
const isAdult = (user: User) => user !== ''
const roles: readonly string[] = ['ROLE_USER']

app.socketRoute('/chat', { onOpen ({ user }) { is<User | null>()(user) } })
app.socketRoute('/chat', { onOpen ({ user }) { is<User | null>()(user) } }, {})
app.socketRoute('/chat', { onOpen ({ user }) { is<User | null>()(user) } }, { name: 'chat' })
// @ts-expect-error the user may be null
app.socketRoute('/chat', { onOpen: ({ user }) => user.valueOf() })

app.socketRoute('/chat', { onOpen ({ user }) { is<User>()(user) } }, 'ROLE_USER')
app.socketRoute('/chat', { onOpen ({ user }) { is<User>()(user) } }, ['ROLE_USER', 'ROLE_ADMIN'])
app.socketRoute('/chat', { onOpen ({ user }) { is<User>()(user) } }, ['ROLE_USER'] as const)
app.socketRoute('/chat', { onOpen ({ user }) { is<User>()(user) } }, roles)
app.socketRoute('/chat', { onOpen ({ user }) { is<User>()(user) } }, isAdult)
app.socketRoute(
  '/chat',
  { onOpen ({ user }) { is<User>()(user) } },
  (user) => { is<User>()(user); return true }
)
app.socketRoute(
  '/chat',
  { onOpen ({ user }) { is<User>()(user) } },
  async (user) => { is<User>()(user); return true }
)
app.socketRoute(
  '/chat',
  { onOpen ({ user }) { is<User>()(user) } },
  (user, request) => { is<string>()(request.ip); return user !== request.ip }
)
app.socketRoute('/chat', { onOpen ({ user }) { is<User>()(user) } }, { isGranted: 'ROLE_USER' })
app.socketRoute(
  '/chat',
  { onOpen ({ user }) { is<User>()(user) } },
  { isGranted: roles, name: 'chat' }
)
app.socketRoute('/chat', { onOpen ({ user }) { is<User>()(user) } }, { isGranted: isAdult })
app.socketRoute(
  '/chat',
  { onOpen ({ user }) { is<User>()(user) } },
  { isGranted: (user) => { is<User>()(user); return true } }
)
app.socketRoute(
  '/chat',
  { onOpen ({ user }) { is<User>()(user) } },
  { isGranted: async (user) => { is<User>()(user); return true } }
)

for (const client of app.socketRoute('/chat', { onOpen () {} }, 'ROLE_USER').clients) {
  is<User>()(client.user)
}
for (const client of app.socketRoute('/chat', { onOpen () {} }).clients) {
  is<User | null>()(client.user)
}

// In a scope.
app.socketScope({ isGranted: (user) => { is<User>()(user); return true } })
app.socketScope({
  isGranted: async (user, request) => { is<User>()(user); return request.ip !== '' }
})
app.socketScope({ roles: (user) => { is<User>()(user); return [] } })
app.socketScope({ roles: (user: { scopes: string[] }) => user.scopes })

// @ts-expect-error not a grant
app.socketRoute('/chat', { onOpen () {} }, 1)
// @ts-expect-error not a list of roles
app.socketRoute('/chat', { onOpen () {} }, [1])
// @ts-expect-error a predicate says yes or no
app.socketRoute('/chat', { onOpen () {} }, () => 'yes')
// @ts-expect-error the same in the options
app.socketRoute('/chat', { onOpen () {} }, { isGranted: async () => 'yes' })
// @ts-expect-error another user
app.socketRoute('/chat', { onOpen () {} }, (user: { age: number }) => user.age > 17)
