import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  onRequestHookHandler
} from 'fastify'
import { asError, errors } from '../../errors.js'
import { checkOptions, originOf, type ConsoleOptions } from './options.js'
import { page, type PageFileName } from './page.js'

export type { ConsoleLogin, ConsoleOptions } from './options.js'

// A file of the page, ready to be sent.
interface PageFile {
  readonly name: string
  readonly type: string
  /**
   * A hash of the content (RFC 9110 section 8.8.3). Weak, as the plain and the gzipped form share
   * it.
   */
  readonly etag: string
  readonly plain: Buffer
  readonly gzipped: Buffer
}

const types: Readonly<Record<PageFileName, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'console.js': 'text/javascript; charset=utf-8',
  'console.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
  'licences.txt': 'text/plain; charset=utf-8'
}

type Documented = FastifyInstance & { asyncapi? (): object }

/**
 * Serves a page that lists the socket routes, connects to them, sends messages and shows what comes
 * in: for development and operation of an app.
 *
 * @throws `FSR_ERR_OPTION_INVALID`, also from `ready()` if there is no document.
 */
export default async function ui (app: FastifyInstance, options: ConsoleOptions): Promise<void> {
  checkOptions(options)
  const {
    document = () => (app as Documented).asyncapi!(),
    title = '',
    login,
    servers = [],
    onRequest = []
  } = options
  const headers = headersOf(options)
  // The first hook, so that refusals of a guard have the headers too.
  app.addHook('onRequest', async (_request, reply) => { reply.headers(headers) })
  for (const hook of [onRequest].flat() as onRequestHookHandler[]) app.addHook('onRequest', hook)
  app.addHook('onReady', async () => {
    if (options.document === undefined && !app.hasDecorator('asyncapi')) {
      throw new errors.OptionInvalid(
        'Option ui.document',
        'is missing, and there is no app.asyncapi(): ' +
          'register fastify-socket-route/asyncapi, or set a function that returns a document'
      )
    }
  })

  // Hides the route from @fastify/swagger.
  const schema = { hide: true } as FastifySchema
  const files = new Map(readFiles().map((file) => [file.name, file]))
  const index = files.get('index.html')!
  app.get('/', { schema }, async (request, reply) => {
    // The page loads its files relative to itself, which requires a URL that ends with a slash. A
    // relative redirect, as a proxy may have put a prefix before the path.
    const path = request.url.split('?', 1)[0]!
    if (!path.endsWith('/')) return await reply.redirect(`./${path.split('/').at(-1)!}/`, 308)
    return answer(request, reply, index)
  })
  for (const [name, file] of files) {
    if (file !== index) {
      app.get(`/${name}`, { schema }, (request, reply) =>
        answer(request, reply, file))
    }
  }
  app.get('/console.json', { schema }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    const { url, method = 'POST', body, tokenPath = '/token' } = login ?? {}
    return {
      title,
      prefix: app.prefix.replace(/\/$/, ''),
      servers,
      login: login && { url, method, body, tokenPath },
      document: await ask(document)
    }
  })
}

// Fastify handles a rejection with an error, but not with any other value.
async function ask (document: NonNullable<ConsoleOptions['document']>): Promise<object> {
  try {
    return await document()
  } catch (thrown) {
    throw asError(thrown)
  }
}

// Revalidated on each visit: a new version of the package is seen at once, and unchanged files are
// not sent again.
function answer (
  request: FastifyRequest,
  reply: FastifyReply,
  { type, etag, plain, gzipped }: PageFile
): FastifyReply {
  reply.headers({ 'cache-control': 'no-cache', etag, vary: 'accept-encoding' })
  if (request.headers['if-none-match']?.includes(etag) === true) return reply.code(304).send()
  reply.type(type)
  if (!/\bgzip\b(?!;\s*q=0(?:\.0*)?(?:,|$))/.test(request.headers['accept-encoding'] ?? '')) {
    return reply.send(plain)
  }
  return reply.header('content-encoding', 'gzip').send(gzipped)
}

// Returns the files of the page: some hundred kilobytes, kept as long as the app.
function readFiles (): PageFile[] {
  return Object.entries(types).map(([name, type]) => {
    const plain = Buffer.from(page[name as PageFileName])
    const etag = `W/"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
    return { name, type, etag, plain, gzipped: gzipSync(plain) }
  })
}

// Returns the headers of every file of the page. Script and style come from this server, nothing is
// inline, no text becomes code or markup, and the page connects to this host and to the servers of
// the options alone.
function headersOf ({ servers = [], login }: ConsoleOptions): Record<string, string> {
  // `'self'` covers the WebSocket too (CSP Level 3 section 6.7.2.8).
  const others = servers.flatMap((server) => [server, server.replace(/^ws/i, 'http')])
  const ofLogin = login === undefined ? undefined : originOf(login.url)
  const connect = new Set(["'self'", ...others, ...(ofLogin === undefined ? [] : [ofLogin])])
  return {
    'content-security-policy': [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      `connect-src ${[...connect].join(' ')}`,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'"
    ].join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin'
  }
}
