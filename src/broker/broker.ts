import type { ExceptIds } from '../broadcast/channel.js'
import type { Frame } from '../message/frame.js'

/** An encoded message to clients of one route, in all processes of the app. */
export interface Publication {
  /** The rooms whose members get the message, each once; `undefined`: all clients of the route. */
  readonly rooms: undefined | readonly string[]
  readonly frame: Frame
  /** The conflation key: see `LatestBy`. It is computed once, when the message is sent. */
  readonly key: unknown
  /** The ids of connections that do not get the message. */
  readonly except: ExceptIds
}

/** Delivers a message to the clients in this process. */
export type Deliver = (publication: Publication) => void

/** Publishes a message to the clients in all processes. */
export type Publish = (publication: Publication) => void

/** Carries published messages to every process of the app, the publishing one included. */
export interface Broker {
  /**
   * Connects a route.
   *
   * @param name the name of the route, the same in all processes.
   * @param deliver is called with each message that is published to the route, in any process.
   */
  connect (name: string, deliver: Deliver): Publish
}
