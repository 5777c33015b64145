import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, onRequestHookHandler } from 'fastify'
import { asError, errors } from '../../errors.js'
import { readFiles, type PageFile } from './files.js'
import { checkOptions, type ConsoleOptions } from './options.js'
import { headersOf } from './policy.js'

export type { ConsoleLogin, ConsoleOptions } from './options.js'

type Documented = FastifyInstance & { asyncapi? (): object }

/**
 * A page that lists the socket routes, connects to them, sends messages and shows what comes: for people who build or look after an app.
 *
 * @throws `FSR_ERR_OPTION_INVALID`, also at `ready()`, if there is no document.
 */
export default async function ui (app: FastifyInstance, options: ConsoleOptions): Promise<void> {
  checkOptions(options)
  const { document = () => (app as Documented).asyncapi!(), title = '', login, servers = [], onRequest = [] } = options
  const headers = headersOf(options)
  // First, so that a guard's refusal has them too.
  app.addHook('onRequest', async (_request, reply) => { reply.headers(headers) })
  for (const hook of [onRequest].flat() as onRequestHookHandler[]) app.addHook('onRequest', hook)
  app.addHook('onReady', async () => {
    if (options.document === undefined && !app.hasDecorator('asyncapi')) throw new errors.OptionInvalid('ui.document', 'is missing, and there is no app.asyncapi(): register fastify-socket-route/asyncapi, or give a function that returns a document')
  })

  // For @fastify/swagger.
  const schema = { hide: true } as FastifySchema
  const files = new Map(readFiles().map((file) => [file.name, file]))
  const page = files.get('index.html')!
  app.get('/', { schema }, async (request, reply) => {
    // What the page needs is beside it, seen from an address that ends with a slash. A proxy may have put something before the path.
    const path = request.url.split('?', 1)[0]!
    if (!path.endsWith('/')) return await reply.redirect(`./${path.split('/').at(-1)!}/`, 308)
    return answer(request, reply, page)
  })
  for (const [name, file] of files) {
    if (file !== page) app.get(`/${name}`, { schema }, (request, reply) => answer(request, reply, file))
  }
  app.get('/console.json', { schema }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    const { url, method = 'POST', body, tokenPath = '/token' } = login ?? {}
    return { title, prefix: app.prefix.replace(/\/$/, ''), servers, login: login && { url, method, body, tokenPath }, document: await ask(document) }
  })
}

// Fastify has an answer for every error, but not for anything else that is thrown.
async function ask (document: NonNullable<ConsoleOptions['document']>): Promise<object> {
  try {
    return await document()
  } catch (thrown) {
    throw asError(thrown)
  }
}

// A new version of the package is seen at once; what has not changed is not sent again.
function answer (request: FastifyRequest, reply: FastifyReply, { type, etag, plain, gzipped }: PageFile): FastifyReply {
  reply.headers({ 'cache-control': 'no-cache', etag, vary: 'accept-encoding' })
  if (request.headers['if-none-match']?.includes(etag) === true) return reply.code(304).send()
  reply.type(type)
  if (!/\bgzip\b(?!;\s*q=0(?:\.0*)?(?:,|$))/.test(request.headers['accept-encoding'] ?? '')) return reply.send(plain)
  return reply.header('content-encoding', 'gzip').send(gzipped)
}
