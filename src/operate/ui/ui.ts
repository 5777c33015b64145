import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  onRequestHookHandler
} from 'fastify'
import { asError, errors } from '../../errors.js'
import { readFiles, type PageFile } from './files.js'
import { checkOptions, type ConsoleOptions } from './options.js'
import { headersOf } from './policy.js'

export type { ConsoleLogin, ConsoleOptions } from './options.js'

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
  const page = files.get('index.html')!
  app.get('/', { schema }, async (request, reply) => {
    // The page loads its files relative to itself, which requires a URL that ends with a slash. A
    // relative redirect, as a proxy may have put a prefix before the path.
    const path = request.url.split('?', 1)[0]!
    if (!path.endsWith('/')) return await reply.redirect(`./${path.split('/').at(-1)!}/`, 308)
    return answer(request, reply, page)
  })
  for (const [name, file] of files) {
    if (file !== page) {
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
