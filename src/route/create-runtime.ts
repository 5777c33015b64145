import type { ContractRouter } from '../contract/contract-router.js'
import type { RouteRuntime } from '../controller/route-runtime.js'
import { HookedCodec } from '../controller/message-hooks.js'
import { KeyedCodec, plainCodec } from '../message/codec.js'
import type { EffectiveOptions } from '../options/resolve-options.js'
import type { Server } from './app-services.js'

type Codecs = Pick<RouteRuntime, 'codec' | 'replies'>

/**
 * Creates the codecs of a route: the codec of its contract, wrapped by its hooks, and by the
 * conflation keys if `latestBy` is set.
 */
export function createCodecs (
  contractRouter: undefined | ContractRouter,
  { preSend, outbox: { overflow } }: EffectiveOptions
): Codecs {
  const own = contractRouter?.codec ?? plainCodec
  const hooked = preSend.length === 0 ? own : new HookedCodec(own, preSend)
  return {
    codec: typeof overflow === 'string' ? hooked : new KeyedCodec(hooked, overflow.latestBy),
    replies: contractRouter === undefined && hooked !== own ? hooked : undefined
  }
}

type OfRoute =
  & Codecs
  & Pick<
    RouteRuntime,
    'name' | 'controller' | 'interrupt' | 'upkeepOf' | 'clients' | 'renew' | 'limits'
  >

/**
 * Creates the object that all connections of a route share: the parts of the route, its options,
 * and the services of the app.
 */
export function createRuntime (
  { live, counts, clocks, budget, compression, fastPath }: Server,
  options: EffectiveOptions,
  route: OfRoute
): RouteRuntime {
  return {
    ...route,
    options,
    rooms: route.clients.rooms,
    counts,
    live,
    clock: clocks.clock,
    closing: clocks.closing(options.closeTimeout),
    heartbeat: clocks.heartbeat(options.heartbeat),
    expiry: clocks.expiry,
    overtime: clocks.overtime,
    compaction: fastPath.write ? clocks.compaction : undefined,
    stalls: clocks.stalls,
    windows: options.rate && clocks.windows(options.rate.per),
    outbox: { ...options.outbox, budget, compression }
  }
}
