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
  {
    file: '/asyncapi.json',
    type: 'application/json; charset=utf-8',
    write: (document: AsyncapiDocument) => JSON.stringify(document)
  },
  // RFC 9512
  { file: '/asyncapi.yaml', type: 'application/yaml', write: toYaml }
]

async function asyncapi (fastify: FastifyInstance, options: AsyncapiOptions): Promise<void> {
  checkOptions(options)
  const { prefix = '/asyncapi', expose = true, servers, onRequest, preValidation, preHandler } =
    options
  let document: undefined | AsyncapiDocument
  // Serialized on the first request, as YAML takes its time.
  const written = new Map<string, Buffer>()
  const make = async (): Promise<void> => {
    const known = servers === undefined
      ? serversAt(fastify.addresses(), fastify.server instanceof TlsServer)
      : serversOf(servers)
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
        // Hides the route from @fastify/swagger: it is not part of the API.
        schema: { hide: true } as FastifySchema,
        ...(onRequest && { onRequest }),
        ...(preValidation && { preValidation }),
        ...(preHandler && { preHandler })
      }, async (_request, reply) => {
        const bytes = written.get(file) ?? Buffer.from(await write(read()))
        written.set(file, bytes)
        // No caching: the client's access may be withdrawn.
        return await reply.type(type).header('cache-control', 'no-store').send(bytes)
      })
    }
  }, { prefix })
}

/**
 * Describes the socket routes of an app as an AsyncAPI 3 document. Serves it as `asyncapi.json` and
 * `asyncapi.yaml` under `prefix`, and returns it from `fastify.asyncapi()`. Registered before or
 * after the routes: `await app.register(asyncapi, { info: { title, version } })`.
 *
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export default fastifyPlugin(asyncapi, {
  fastify: '5.x',
  name: 'fastify-socket-route-asyncapi',
  dependencies: ['fastify-socket-route']
})

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Returns the AsyncAPI document of the socket routes, once the app is ready.
     *
     * @throws `FSR_ERR_ASYNCAPI_NOT_READY` before the app is ready.
     */
    asyncapi (): AsyncapiDocument
  }
}
