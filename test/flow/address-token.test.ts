// A token in the address is taken out of it, and found, however Fastify is told to read addresses.
import { connect as connectHttp2 } from 'node:http2'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { handshake, readAll, tcp } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

async function createQueryApp (t: Test, options: object) {
  const seen: string[] = []
  const app = await createApp(t, {
    fastify: {
      ...options,
      logger: { level: 'trace', stream: { write: (line: string) => { seen.push(line) } } }
    } as object
  })
  app.addHook('onRequest', async (request) => {
    seen.push(
      request.url,
      request.originalUrl,
      request.raw.url!,
      JSON.stringify([request.query, request.headers, request.raw.rawHeaders])
    )
  })
  app.setErrorHandler(async (error: { statusCode: number, code: string }, request, reply) => {
    request.log.info({ req: request }, 'failed')
    return await reply.code(error.statusCode).send({ code: error.code, url: request.url })
  })
  const guarded = { isGranted: 'ROLE_USER', tokenFrom: ['query', 'ticket'] as const }
  app.socketRoute('/chat', { onOpen: ({ query }) => `in ${JSON.stringify(query)}` }, guarded)
  app.socketRoute('/Räume/:room', { onOpen: () => 'in {}' }, guarded)
  app.get('/rest', async ({ query }) => query)
  return { app, seen, url: await listen(app), token: tokenOf(app) }
}

async function ask (
  url: string,
  path: string,
  headers?: Record<string, undefined | string>
): Promise<string> {
  const socket = await tcp(url)
  socket.write(
    headers === undefined
      ? `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`
      : handshake(path, headers)
  )
  if (headers === undefined) return await readAll(socket)
  let text = ''
  for await (const chunk of socket) {
    text += String(chunk)
    if (text.includes('in {') || !text.startsWith('HTTP/1.1 101')) break
  }
  return text
}

const cases: Array<[title: string, options: object, paths: string[]]> = [
  [
    'as it is',
    {},
    [
      '/chat?access_token=TOKEN',
      '/chat/?access_token=TOKEN#top',
      '/chat?%61ccess_%74oken=TOKEN',
      '/R%C3%A4ume/5?access_token=TOKEN',
      '/chat#access_token=TOKEN'
    ]
  ],
  [
    'the absolute form',
    {},
    ['http://localhost/chat?access_token=TOKEN', 'https://localhost:3000/chat/?access_token=TOKEN']
  ],
  [
    'ignoreDuplicateSlashes',
    { routerOptions: { ignoreDuplicateSlashes: true } },
    ['//chat?access_token=TOKEN', '/chat//?access_token=TOKEN', '///chat?access_token=TOKEN']
  ],
  [
    'ignoreTrailingSlash',
    { routerOptions: { ignoreTrailingSlash: true } },
    ['/chat/?access_token=TOKEN']
  ],
  [
    'caseSensitive: false',
    { routerOptions: { caseSensitive: false } },
    ['/CHAT?access_token=TOKEN', '/r%c3%84ume/5?access_token=TOKEN']
  ],
  [
    'useSemicolonDelimiter',
    { routerOptions: { useSemicolonDelimiter: true } },
    ['/chat;access_token=TOKEN', '/chat?access_token=TOKEN']
  ],
  [
    'querystringParser',
    {
      routerOptions: {
        querystringParser: (text: string) => Object.fromEntries(text.split(/[;&]/).map(
          (pair) => pair.split('=')
        ))
      }
    },
    ['/chat?a=1;access_token=TOKEN', '/chat?access_token=TOKEN;a=1']
  ],
  [
    'rewriteUrl',
    { rewriteUrl: ({ url }: { url: string }) => url.replace(/^\/api/, '') },
    ['/api/chat?access_token=TOKEN', '/chat?access_token=TOKEN']
  ],
  [
    'rewriteUrl that makes the query',
    {
      rewriteUrl: ({ url }: { url: string }) => url.replace(
        /^\/t\/([^/]*)(.*)/,
        '$2?access_token=$1'
      )
    },
    ['/chat?access_token=TOKEN']
  ]
]

for (const [title, options, paths] of cases) {
  t.test(`a token is taken out and found: ${title}`, async (t) => {
    const { url, seen, token } = await createQueryApp(t, options)
    for (const path of paths) {
      const address = path.replace('TOKEN', token)
      t.match(await ask(url, address, {}), /^HTTP\/1\.1 101 [^]*in \{/, path)
      t.match(
        await ask(url, address),
        /^HTTP\/1\.1 426 [^]*FSR_ERR_UPGRADE_REQUIRED/,
        `${path}, plain`
      )
      t.match(
        await ask(url, address, { Upgrade: undefined, Connection: 'close' }),
        /FSR_ERR_UPGRADE_DROPPED/,
        `${path}, behind a proxy`
      )
      t.match(
        await ask(url, address.replace(token, 'nonsense'), {}),
        /^HTTP\/1\.1 401 [^]*FSR_ERR_TOKEN_INVALID/,
        path
      )
    }
    t.notOk(seen.some((text) => text.includes(token)))
    // Requests to other routes keep theirs.
    t.match(
      await ask(url, '/rest?access_token=mine&ticket=5'),
      /"access_token":"mine","ticket":"5"/
    )
  })
}

t.test('a token that rewriteUrl puts into the query is found and removed', async (t) => {
  const { url, token } = await createQueryApp(t, {
    rewriteUrl: ({ url }: { url: string }) => url.replace(/^\/t\/([^/]*)(.*)/, '$2?access_token=$1')
  })
  t.match(await ask(url, `/t/${token}/chat`, {}), /^HTTP\/1\.1 101 [^]*in \{\}/)
})

t.test('two tokens are rejected, also if one comes from rewriteUrl', async (t) => {
  const { url, token } = await createQueryApp(t, {
    rewriteUrl: ({ url }: { url: string }) =>
      `${url}${url.includes('?') ? '&' : '?'}access_token=other`
  })
  t.match(await ask(url, `/chat?access_token=${token}`, {}), /FSR_ERR_TOKEN_INVALID/)
})

t.test('over HTTP/2 a plain GET of the route shows its token to nothing', async (t) => {
  const { app, url, seen } = await createQueryApp(t, { http2: true })
  const token = tokenOf(app, ['OTHER'])
  const client = connectHttp2(url.replace('ws', 'http'))
  t.teardown(() => { client.destroy() })
  const status = await new Promise((resolve) => {
    const stream = client.request({ ':path': `/chat?a=1&access_token=${token}` })
    stream.on('response', (headers) => { resolve(headers[':status']) }).resume()
  })
  t.equal(status, 403)
  t.notOk(seen.some((text) => text.includes(token)))
  t.ok(seen.includes('/chat?a=1'))
  client.destroy()
  await (app as FastifyInstance).close()
})
