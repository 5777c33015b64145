export { default } from './plugin.js'
export type { SocketInfo } from './plugin-types.js'
export type { ConnectionOf, PlainController, SocketRouteGeneric } from './route/route-types.js'
export type { SocketHealth } from './operate/health.js'
export {
  SocketRoute,
  type DecoratedRoute,
  type SocketControllerOptions
} from './route/class-decorator.js'
export type { ConnectionCaps } from './upgrade/connection-limits.js'
export type { GrantPredicate, Grant, RoleHierarchy } from './auth/grant.js'
export type { OriginPredicate, Origins } from './auth/origin.js'
export type {
  SharedOptions,
  SocketPluginOptions,
  SocketRequest,
  SocketRouteOptions,
  SocketScopeOptions,
  UpgradeHook
} from './options/options.js'
export type { TokenSource } from './auth/token-source.js'
export type { KeptRevocation, Revocation, RevocationStore } from './auth/revocation-store.js'
export type { JwtName } from './host/fastify-jwt-internals.js'
export type { Claims, Subject } from './auth/subject.js'
export type { TicketStore } from './auth/ticket.js'
export type {
  AnySocketRouteHandle,
  SocketRouteHandle,
  SocketRoutes
} from './route/route-handle.js'
export type {
  CloseInfo,
  Reply,
  Returned,
  SocketController,
  SocketControllerClass
} from './controller/controller.js'
export type { Clients } from './room/clients.js'
export {
  WsConnection,
  type Answer,
  type BroadcastOptions,
  type ConnectionTypes,
  type LocalRoom,
  type Room
} from './connection/connection.js'
export type { UserOfRequest } from './connection/identity.js'
export type { HeartbeatOptions } from './connection/heartbeat.js'
export type { RateOptions } from './connection/rate.js'
export type { Overflow } from './connection/drop-queue.js'
export type { OutboxOptions } from './connection/outbox.js'
export type { LatestBy } from './message/codec.js'
export { Message } from './message/message.js'
export {
  BinaryMessage,
  JsonMessage,
  TextMessage,
  type Bytes,
  type Sendable
} from './message/outbound.js'
export {
  baseController,
  defineController,
  type BaseController,
  type ContractConnection,
  type TypedController
} from './contract/define-controller.js'
export { ReplyError } from './controller/message-errors.js'
export type {
  ClientContract,
  ContractController,
  ContractSchema,
  EventsOf,
  Handlers,
  InboundMessage,
  MessageContext,
  MessageGrant,
  OutboundMessage
} from './contract/contract.js'
export type {
  PreMessageHook,
  PreSendHook,
  ReceivedMessage,
  SentMessage
} from './controller/message-hooks.js'
export type { RequestOptions } from './connection/pending-requests.js'
export { closeCodes, type CloseReason } from './protocol/close-codes.js'
export { errors, type SocketError } from './errors.js'
