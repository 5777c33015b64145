import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance, FastifySchema } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { errors } from '../../errors.js'
import type { Route } from '../../route/route.js'
import { createDocument } from './create-document.js'
import type { AsyncapiDocument } from './document.js'
import { checkOptions, type AsyncapiOptions } from './options.js'
import { serversAt, serversOf } from './servers.js'
import { toYaml } from './yaml.js'

// The files under the prefix.
const forms = [
  { file: '/asyncapi.json', type: 'application/json; charset=utf-8', write: (document: AsyncapiDocument) => JSON.stringify(document) },
  // RFC 9512
  { file: '/asyncapi.yaml', type: 'application/yaml', write: toYaml }
]

async function asyncapi (fastify: FastifyInstance, options: AsyncapiOptions): Promise<void> {
  checkOptions(options)
  const { prefix = '/asyncapi', expose = true, servers, onRequest, preValidation, preHandler } = options
  let document: undefined | AsyncapiDocument
  // Written when they are first asked for: YAML takes its time.
  const written = new Map<string, Buffer>()
  const make = async (): Promise<void> => {
    const known = servers === undefined ? serversAt(fastify.addresses(), fastify.server instanceof TlsServer) : serversOf(servers)
    document = createDocument(fastify.socketRoutes.values() as Iterable<Route>, options, known)
    written.clear()
  }
  const read = (): AsyncapiDocument => {
    if (document === undefined) throw new errors.AsyncapiNotReady()
    return document
  }

  fastify.decorate('asyncapi', read)
  fastify.addHook('onReady', make)
  if (servers === undefined) fastify.addHook('onListen', make)
  if (!expose) return
  await fastify.register(async (scope) => {
    for (const { file, type, write } of forms) {
      scope.get(file, {
        // For @fastify/swagger, as this is no part of the API.
        schema: { hide: true } as FastifySchema,
        ...(onRequest && { onRequest }),
        ...(preValidation && { preValidation }),
        ...(preHandler && { preHandler })
      }, async (_request, reply) => {
        const bytes = written.get(file) ?? Buffer.from(await write(read()))
        written.set(file, bytes)
        // Whoever may read it now may not be the one who may read it later.
        return await reply.type(type).header('cache-control', 'no-store').send(bytes)
      })
    }
  }, { prefix })
}

/**
 * Describes the socket routes of an app as an AsyncAPI 3 document: `await app.register(asyncapi, { info: { title, version } })`, before or
 * after the routes. It is served as `asyncapi.json` and `asyncapi.yaml` under `prefix`, and `fastify.asyncapi()` answers it.
 *
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export default fastifyPlugin(asyncapi, { fastify: '5.x', name: 'fastify-socket-route-asyncapi', dependencies: ['fastify-socket-route'] })

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * The AsyncAPI document of the socket routes, once the app is ready.
     *
     * @throws `FSR_ERR_ASYNCAPI_NOT_READY` before.
     */
    asyncapi (): AsyncapiDocument
  }
}
