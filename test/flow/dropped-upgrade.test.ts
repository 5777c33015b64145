// A proxy that does not know WebSocket takes Upgrade and Connection away, and leaves the rest of
// the handshake.
import { once } from 'node:events'
import cookie from '@fastify/cookie'
import t from 'tap'
import { handshake, readAll, tcp } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

t.test('a handshake without Upgrade or Connection is reported as such', async (t) => {
  const lines: Array<{ level: number, missing?: string, msg: string }> = []
  const app = await createApp(t, {
    fastify: {
      logger: {
        level: 'warn',
        stream: { write: (line: string) => { lines.push(JSON.parse(line)) } }
      }
    }
  })
  await app.register(cookie)
  const guarded = { isGranted: 'ROLE_USER', tokenFrom: ['protocol', 'ticket', 'message'] as const }
  app.socketRoute('/chat', { onOpen: () => 'in' }, guarded)
  app.socketRoute('/open', { onOpen: () => 'in' })
  app.socketRoute('/both', { onOpen: () => 'in' }, guarded)
  app.get('/both', async () => 'rest')
  app.get('/rest', async () => 'rest')
  const url = await listen(app)
  const token = tokenOf(app)
  const ask = async (
    path: string,
    headers: Record<string, undefined | string>,
    start?: string
  ): Promise<string> => {
    const socket = await tcp(url)
    socket.write(handshake(
      path,
      { 'Sec-WebSocket-Protocol': `bearer, ${token}`, Origin: 'https://app.example', ...headers },
      start
    ))
    return await readAll(socket)
  }
  // Without any Connection the request is a plain one, on a connection that may go on.
  const bare = await tcp(url)
  bare.write(handshake('/chat', { Connection: undefined }))
  t.match(
    String((await once(bare, 'data'))[0]),
    /^HTTP\/1\.1 426 [^]*FSR_ERR_UPGRADE_DROPPED[^]*without its Connection: upgrade header/
  )
  bare.destroy()

  const nginx = { Upgrade: undefined, Connection: 'close' }
  for (const path of ['/chat', '/open', '/both', '/chat?ticket=x']) {
    for (const [missing, headers, start] of [
      ['Upgrade', nginx],
      ['Upgrade', { ...nginx, 'Sec-WebSocket-Key': undefined }],
      ['Upgrade', { ...nginx, 'Sec-WebSocket-Version': undefined }],
      ['Upgrade', nginx, `GET ${path} HTTP/1.0`],
      ['Connection: upgrade', { Connection: 'close' }]
    ] as Array<[string, Record<string, undefined | string>, string?]>) {
      lines.length = 0
      const text = await ask(path, headers, start)
      t.match(text, /^HTTP\/1\.1 426 [^]*Upgrade: websocket/i, path)
      t.match(text, new RegExp(`FSR_ERR_UPGRADE_DROPPED[^]*without its ${missing} header`))
      t.match(lines, [{ level: 40, missing, msg: /a proxy removed a header/ }])
      t.equal(lines.length, 1)
    }
  }
  t.match(
    await ask('/chat', {}, 'GET /chat HTTP/1.0'),
    /^HTTP\/1\.1 400 [^]*proxy_http_version 1\.1/
  )
  t.match(await ask('/rest', nginx), /^HTTP\/1\.1 200 /, 'REST is no handshake of ours')
  t.equal((await app.inject('/both')).body, 'rest')
  t.match(
    (await app.inject('/chat')).json(),
    { code: 'FSR_ERR_UPGRADE_REQUIRED' },
    'nor is a plain GET'
  )
})
