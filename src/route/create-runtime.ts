import type { ContractRouter } from '../contract/contract-router.js'
import type { RouteRuntime } from '../controller/route-runtime.js'
import { HookedCodec } from '../controller/hooks.js'
import { KeyedCodec, plainCodec } from '../message/codec.js'
import type { Options } from '../options/resolve-options.js'
import type { EffectiveOptions } from '../options/scope.js'
import type { Server } from './app-services.js'

type Codecs = Pick<RouteRuntime, 'codec' | 'replies'>

/** What encodes the messages of a route: as its contract says, behind its hooks, with the key of each where slow clients get the newest. */
export function createCodecs (conversation: undefined | ContractRouter, { hooks, options: { overflow } }: Pick<EffectiveOptions, 'hooks' | 'options'>): Codecs {
  const own = conversation?.codec ?? plainCodec
  const hooked = hooks.preSend.length === 0 ? own : new HookedCodec(own, hooks.preSend)
  return {
    codec: typeof overflow === 'string' ? hooked : new KeyedCodec(hooked, overflow.latestBy),
    replies: conversation === undefined && hooked !== own ? hooked : undefined
  }
}

type OfRoute = Codecs & Pick<RouteRuntime, 'name' | 'controller' | 'interrupt' | 'upkeepOf' | 'clients' | 'renew' | 'limits'>

/** What the connections of a route have in common: what it is itself, its options, and what all routes of the app share. */
export function createRuntime ({ live, counts, clocks, budget, compression, fastPath }: Server, options: Options, route: OfRoute): RouteRuntime {
  const { rate, refusals, outboxLimit, overflow, notice } = options
  return {
    ...route,
    rooms: route.clients.rooms,
    counts,
    live,
    clock: clocks.clock,
    closing: clocks.closing(options.closeTimeout),
    heartbeat: clocks.heartbeat(options.heartbeat),
    expiry: clocks.expiry,
    overtime: clocks.overtime,
    compaction: fastPath.write ? clocks.compaction : undefined,
    concurrency: options.concurrency,
    rate,
    stalls: clocks.stalls,
    windows: rate && clocks.windows(rate.per),
    refusals: refusals === false ? undefined : refusals,
    outbox: { limit: outboxLimit, overflow, notice, budget, compression },
    roomsPerConnection: options.roomsPerConnection
  }
}
