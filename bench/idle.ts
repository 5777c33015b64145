// What a connection that does nothing costs a server: bytes of its heap, and of its process. The load comes from raw sockets of this
// process, with the headers of a browser; all servers answer messages, and none keeps anything of its own for a connection.
import { fork, type ChildProcess } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { connect, type Socket } from 'node:net'

const CONNECTIONS = Number(process.env['CONNECTIONS'] ?? 8000)

/** The key of the tokens. */
export const SECRET = 'a secret of the benchmark, thirty-two bytes'

interface Figures { readonly heap: number, readonly rss: number }

/** What is compared, by the name in the report: the arguments of `idle-server.ts`. */
export const idleTargets: Readonly<Record<string, readonly string[]>> = {
  'ws on node:http': ['ws'],
  '@fastify/websocket': ['@fastify/websocket'],
  'plugin, no guard': ['plugin', 'open'],
  'plugin, a user each': ['plugin'],
  'plugin, a user each, three rooms': ['plugin', 'rooms']
}

const agents = ['Windows NT 10.0; Win64; x64', 'Macintosh; Intel Mac OS X 10_15_7', 'X11; Linux x86_64', 'Linux; Android 10; K']
const languages = ['en-US,en;q=0.9', 'en-GB,en;q=0.9', 'de-DE,de;q=0.9,en;q=0.8', 'fr-FR,fr;q=0.9,en;q=0.8', 'ja', 'pt-BR,pt;q=0.9', 'zh-CN,zh;q=0.9']

// Each client is a user of its own.
function tokenOf (user: number): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  const iat = Math.floor(Date.now() / 1000)
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: `user-${user}`, name: `Alice Example ${user}`, roles: ['ROLE_USER'], iat, exp: iat + 3600 })}`
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}

// As Chrome asks, in several versions, systems and languages; the cookie, of some 240 bytes, has the token.
function requestOf (port: number, user: number): string {
  const version = 120 + user % 20
  return [
    'GET /chat/lobby HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Pragma: no-cache',
    'Cache-Control: no-cache',
    `User-Agent: Mozilla/5.0 (${agents[user % agents.length]}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 Safari/537.36`,
    'Upgrade: websocket',
    `Origin: http://127.0.0.1:${port}`,
    'Sec-WebSocket-Version: 13',
    'Accept-Encoding: gzip, deflate, br, zstd',
    `Accept-Language: ${languages[user % languages.length]}`,
    `Cookie: token=${tokenOf(user)}`,
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
    '', ''
  ].join('\r\n')
}

async function open (port: number, user: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(requestOf(port, user))
  const [data] = await once(socket, 'data') as [Buffer]
  if (!data.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(data.toString('latin1'))
  return socket
}

async function openMany (count: number, port: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) sockets.push(...await Promise.all(Array.from({ length: 50 }, (_, index) => open(port, sockets.length + index))))
  return sockets
}

async function ask (child: ChildProcess): Promise<Figures> {
  child.send('held')
  const [figures] = await once(child, 'message') as [Figures]
  return figures
}

/** Bytes for each idle connection of one server, in a process of its own. */
export async function measureIdle (target: readonly string[]): Promise<Figures> {
  const child = fork(new URL('idle-server.ts', import.meta.url), target, { execArgv: ['--expose-gc', '--import=tsx'] })
  const [{ port }] = await once(child, 'message') as [{ port: number }]
  // What follows is not the cost of first use.
  for (const socket of await openMany(500, port)) socket.destroy()
  const before = await ask(child)
  const sockets = await openMany(CONNECTIONS, port)
  // What a server does once a connection has lasted a while, it does now.
  await wait(1_500)
  const after = await ask(child)
  for (const socket of sockets) socket.destroy()
  child.kill()
  await once(child, 'exit')
  return { heap: (after.heap - before.heap) / CONNECTIONS, rss: (after.rss - before.rss) / CONNECTIONS }
}
