import { types } from 'node:util'
import createError, { type FastifyError } from '@fastify/error'
import { closeCodes, type CloseReason } from './protocol/close-codes.js'

/**
 * An error of this plugin, identified by its `code`. The table in `docs/errors.md` gives the cause
 * and the cure of each.
 */
export interface SocketError extends FastifyError {
  /**
   * How the connection is closed if no `onError` handles the error. Most errors from before the
   * upgrade have none.
   */
  readonly close?: undefined | CloseReason
  /** Headers of the HTTP response, in errors from before the upgrade. */
  readonly headers?: undefined | Readonly<Record<string, string>>
}

type SocketErrorConstructor = new (...args: unknown[]) => SocketError

// At registration: thrown at once, to the developer.
const atRegistration = (code: string, message: string) =>
  createError(code, message, 500) as unknown as SocketErrorConstructor

// The app serves a file and cannot generate it: the response to its request.
const notImplemented = (code: string, message: string) =>
  createError(code, message, 501) as unknown as SocketErrorConstructor

// Before the upgrade: an HTTP response with a status, and perhaps a challenge (RFC 9110 section
// 11.6.1). If the token arrives as the first message, the connection is closed instead.
function atUpgrade (
  code: string,
  message: string,
  statusCode: number,
  challenge?: string,
  close?: CloseReason
): SocketErrorConstructor {
  // Without a stack: it would tell nothing, fill the log, and cost most where many are refused.
  const Constructor = createError(code, message, statusCode, Error, false)
  const headers = challenge && { 'www-authenticate': challenge }
  Object.defineProperties(Constructor.prototype, {
    close: { value: close },
    headers: { value: headers }
  })
  return Constructor as unknown as SocketErrorConstructor
}

// While connected: passed to onError, or closes the connection with a close code.
function connected (code: string, message: string, close: CloseReason): SocketErrorConstructor {
  const Constructor = createError(code, message, 500)
  Object.defineProperty(Constructor.prototype, 'close', { value: close })
  return Constructor as unknown as SocketErrorConstructor
}

// While connected: like `connected`, but caused by the client and not by the app.
function ofClient (code: string, message: string): SocketErrorConstructor {
  const Constructor = connected(code, message, closeCodes.handlerFailed)
  Object.defineProperty(Constructor.prototype, 'isOfClient', { value: true })
  return Constructor
}

// While connected: a message violates the contract. The client receives the code and the text, then
// onError receives the error.
function refused (
  code: string,
  message: string,
  close: CloseReason = closeCodes.invalidPayload
): SocketErrorConstructor {
  // Without a stack, as at the upgrade: the fault is the client's.
  const Constructor = createError(code, message, 400, Error, false)
  Object.defineProperties(Constructor.prototype, {
    close: { value: close },
    isRefusal: { value: true }
  })
  return Constructor as unknown as SocketErrorConstructor
}

/** All errors of this plugin, by stage. A test keeps `docs/errors.md` in step. */
export const errors = {
  // At registration
  AlreadyRegistered: atRegistration('FSR_ERR_ALREADY_REGISTERED',
    'fastify-socket-route is already registered. Register it once, on the root instance; ' +
    'for options of one scope, call fastify.socketScope(options) there'),
  OptionInvalid: atRegistration('FSR_ERR_OPTION_INVALID', '%s %s'),
  ScopeTooLate: atRegistration('FSR_ERR_SCOPE_TOO_LATE',
    'socketScope() was called after a socket route of its scope, to which its options would not ' +
    'apply. Call it before the first socketRoute() of the scope'),
  PathInvalid: atRegistration('FSR_ERR_PATH_INVALID',
    "The path of a socket route must be a string that starts with '/', but this is %s"),
  PathDuplicate: atRegistration('FSR_ERR_PATH_DUPLICATE',
    "There is a route at '%s' already, which '%s' cannot be told from. " +
    'Give one of the two another path, or a constraint that only its requests meet'),
  PathAmbiguous: atRegistration('FSR_ERR_PATH_AMBIGUOUS',
    "One of the routes at '%s' and '%s' would receive requests of the other: %s"),
  RouteChanged: atRegistration('FSR_ERR_ROUTE_CHANGED',
    "An onRoute hook of another plugin has changed the %s of the socket route at '%s', which " +
    'could remove its guard. Have the hook leave routes with a wsHandler unchanged'),
  NameDuplicate: atRegistration('FSR_ERR_NAME_DUPLICATE',
    "There is a socket route named '%s' already. Give one of the two another name"),
  ControllerInvalid: atRegistration('FSR_ERR_CONTROLLER_INVALID',
    "The controller of '%s' %s. The controller, the second argument of socketRoute(), is an " +
    'object, a class instance or a class, with at least one of the functions onOpen, onMessage, ' +
    'onClose, onError'),
  ControllerUndecorated: atRegistration('FSR_ERR_CONTROLLER_UNDECORATED',
    'socketController() takes a class decorated with @SocketRoute({ path }), or an instance of ' +
    'one; %s is neither. Decorate it, or call socketRoute(path, controller)'),
  ControllerDecorated: atRegistration('FSR_ERR_CONTROLLER_DECORATED',
    '%s is decorated with @SocketRoute, whose path and grants %s would ignore. Register the ' +
    'class or its instance with socketController(), or remove the decorator'),
  DecoratorInvalid: atRegistration('FSR_ERR_DECORATOR_INVALID',
    '@SocketRoute %s. Use it once, on a class, with one object: @SocketRoute({ path, isGranted })'),
  GrantInvalid: atRegistration('FSR_ERR_GRANT_INVALID',
    'isGranted %s. It is a role, a list of at least one role (any of them lets in), ' +
    'or a predicate (user, request) => boolean'),
  RoleCycle: atRegistration('FSR_ERR_ROLE_CYCLE',
    'roleHierarchy has a cycle: %s. Remove one of these steps'),
  PackageUnsupported: atRegistration('FSR_ERR_PACKAGE_UNSUPPORTED',
    '%s %s is not supported by this version of fastify-socket-route: %s. ' +
    'Install another version of one of the two'),
  JwtMissing: atRegistration('FSR_ERR_JWT_MISSING',
    "The socket route '%s' is guarded by isGranted, but @fastify/jwt %s in its scope. " +
    'Register it, await app.register(jwt, { secret }), ' +
    'or set tokenFrom: [] if a hook of the app sets request.user'),
  ContractInvalid: atRegistration('FSR_ERR_CONTRACT_INVALID', "The contract of '%s' %s"),
  HookInvalid: atRegistration('FSR_ERR_HOOK_INVALID', 'The hook %s %s'),
  AsyncapiNotReady: atRegistration('FSR_ERR_ASYNCAPI_NOT_READY',
    'app.asyncapi() was called before all routes were registered: call await app.ready() first'),
  YamlMissing: notImplemented('FSR_ERR_YAML_MISSING',
    'asyncapi.yaml needs the package yaml, which cannot be loaded: npm install yaml. ' +
    'asyncapi.json has the same document'),
  UrlParamMissing: atRegistration('FSR_ERR_URL_PARAM_MISSING',
    "url() of the socket route '%s' needs the parameter '%s'"),
  UrlParamInvalid: atRegistration('FSR_ERR_URL_PARAM_INVALID',
    "url() of the socket route '%s' cannot encode the value of a parameter: %s. " +
    'Encode the value yourself, or pass it in the query'),

  // Before the upgrade
  UpgradeRequired: atUpgrade('FSR_ERR_UPGRADE_REQUIRED',
    'This is a WebSocket route: connect to it with a WebSocket client', 426),
  UpgradeDropped: atUpgrade('FSR_ERR_UPGRADE_DROPPED',
    'This is a WebSocket handshake without its %s header, so a proxy has removed it: ' +
    'have the proxy forward Upgrade and Connection, over HTTP/1.1', 426),
  HandshakeInvalid: atUpgrade('FSR_ERR_HANDSHAKE_INVALID',
    'The WebSocket handshake is not valid: %s', 400),
  VersionUnsupported: atUpgrade('FSR_ERR_VERSION_UNSUPPORTED',
    'Only version 13 of the WebSocket protocol is supported', 426),
  ProtocolUnsupported: atUpgrade('FSR_ERR_PROTOCOL_UNSUPPORTED',
    'None of the requested sub-protocols is supported by this route', 400),
  OriginRefused: atUpgrade('FSR_ERR_ORIGIN_REFUSED', 'Pages of this origin may not connect', 403),
  ClientRefused: atUpgrade('FSR_ERR_CLIENT_REFUSED',
    'verifyClient of the app has rejected the client', 401),
  // RFC 6750 section 3: no error code where no token was sent.
  TokenMissing: atUpgrade('FSR_ERR_TOKEN_MISSING',
    'A token is needed to connect', 401, 'Bearer', closeCodes.tokenMissing),
  TokenInvalid: atUpgrade('FSR_ERR_TOKEN_INVALID',
    'The token is not valid', 401, 'Bearer error="invalid_token"', closeCodes.tokenInvalid),
  TokenExpired: atUpgrade('FSR_ERR_TOKEN_EXPIRED',
    'The token has expired', 401, 'Bearer error="invalid_token"', closeCodes.tokenExpired),
  TicketInvalid: atUpgrade('FSR_ERR_TICKET_INVALID',
    'The ticket was used before, has expired, or is for another route or page', 401,
    'Bearer error="invalid_token"'),
  ConnectionsTooMany: atUpgrade('FSR_ERR_CONNECTIONS_TOO_MANY',
    'Too many connections for this user or IP address', 429, undefined,
    closeCodes.tooManyConnections),
  NotGranted: atUpgrade('FSR_ERR_NOT_GRANTED',
    'The user may not connect to this route', 403, 'Bearer error="insufficient_scope"',
    closeCodes.notGranted),
  RouteFull: atUpgrade('FSR_ERR_ROUTE_FULL', 'The route has reached its connection limit', 503),
  GuardLost: atUpgrade('FSR_ERR_GUARD_LOST',
    "The hooks of the socket route '%s' have not run: an onRoute hook of another plugin has " +
    'replaced them. Have it leave routes with a wsHandler unchanged', 503),
  StoreFailed: atUpgrade('FSR_ERR_STORE_FAILED',
    'The ticket or revocation store is unavailable', 503),
  Closing: atUpgrade('FSR_ERR_CLOSING', 'The server is stopping', 503),

  // While connected
  NotSendable: connected('FSR_ERR_NOT_SENDABLE',
    '%s. Send a JsonMessage, TextMessage or BinaryMessage, an inbound message, a string, ' +
    'bytes (Buffer, typed array, ArrayBuffer), a plain object or an array; ' +
    'a callback may also return an async iterable of these, or a promise of any of them',
    closeCodes.handlerFailed),
  NotJson: connected('FSR_ERR_NOT_JSON',
    'The data of a message cannot be serialized as JSON; see the cause of this error',
    closeCodes.handlerFailed),
  MessageNotJson: refused('FSR_ERR_MESSAGE_NOT_JSON',
    'The message is not JSON', closeCodes.invalidPayload),
  MessageForbidden: refused('FSR_ERR_MESSAGE_FORBIDDEN',
    'The message has a forbidden key: __proto__, or prototype in constructor'),
  MessageNull: refused('FSR_ERR_MESSAGE_NULL',
    'The message is null, which json() does not return: null has no members. ' +
    'If null is meant, read text'),
  MessageTooBig: connected('FSR_ERR_MESSAGE_TOO_BIG',
    'A message of %s bytes is larger than the %s that maxPayload allows: ' +
    'raise maxPayload, or have clients send smaller messages', closeCodes.tooBig),
  MessageNotUtf8: connected('FSR_ERR_MESSAGE_NOT_UTF8',
    'A text message is not valid UTF-8', closeCodes.invalidPayload),
  MessageNotInflated: connected('FSR_ERR_MESSAGE_NOT_INFLATED',
    'A compressed message cannot be inflated', closeCodes.invalidPayload),
  InboxFull: connected('FSR_ERR_INBOX_FULL',
    'The client has sent more than may wait, %s of %s %s: ' +
    'have clients wait for a reply, or send less at a time', closeCodes.policyViolation),
  FragmentsTooMany: connected('FSR_ERR_FRAGMENTS_TOO_MANY',
    'A message arrived in more fragments than the %s that maxFragments allows, or a frame in ' +
    'more chunks than ws keeps: raise maxFragments, or have clients send larger fragments',
    closeCodes.policyViolation),
  ProtocolViolated: connected('FSR_ERR_PROTOCOL_VIOLATED',
    'The client violated the WebSocket protocol', closeCodes.protocolError),
  MessageBinary: refused('FSR_ERR_MESSAGE_BINARY',
    'This route takes text messages only', closeCodes.unsupportedData),
  MessageInvalid: refused('FSR_ERR_MESSAGE_INVALID',
    'A message is an object with a type, and optionally data and an id, but %s'),
  TypeUnknown: refused('FSR_ERR_TYPE_UNKNOWN', 'There is no message of this type'),
  MessageNotGranted: refused('FSR_ERR_MESSAGE_NOT_GRANTED',
    'The user may not send messages of this type', closeCodes.policyViolation),
  DataInvalid: refused('FSR_ERR_DATA_INVALID', 'data does not match the contract%s'),
  ValidatorFailed: connected('FSR_ERR_VALIDATOR_FAILED',
    'A validator threw instead of returning { error }; ' +
    'validation has the thrown value, which may quote the data', closeCodes.handlerFailed),
  IdDuplicate: refused('FSR_ERR_ID_DUPLICATE', 'A message with this id is still being handled'),
  HandlerFailed: refused('FSR_ERR_HANDLER_FAILED',
    'The message could not be handled', closeCodes.handlerFailed),
  EventUnknown: connected('FSR_ERR_EVENT_UNKNOWN',
    '%s is not in schema.out of the contract%s', closeCodes.handlerFailed),
  EventInvalid: connected('FSR_ERR_EVENT_INVALID',
    "The %s '%s' cannot be serialized as the contract says%s", closeCodes.handlerFailed),
  ReturnInvalid: connected('FSR_ERR_RETURN_INVALID',
    '%s of a controller with a contract must return %s', closeCodes.handlerFailed),
  ContractMissing: connected('FSR_ERR_CONTRACT_MISSING',
    'request() needs a route with a contract', closeCodes.handlerFailed),
  StreamsTooMany: refused('FSR_ERR_STREAMS_TOO_MANY',
    'The connection has as many streams as streamsPerConnection allows',
    closeCodes.policyViolation),
  RequestUnanswerable: connected('FSR_ERR_REQUEST_UNANSWERABLE',
    "'%s' has no reply in the contract. Give it one, or call send() instead of request()",
    closeCodes.handlerFailed),
  RequestTimeout: ofClient('FSR_ERR_REQUEST_TIMEOUT', 'The client did not reply in time'),
  RequestRefused: ofClient('FSR_ERR_REQUEST_REFUSED',
    'The client replied with an error; reason has its code and message'),
  AnswerInvalid: ofClient('FSR_ERR_ANSWER_INVALID',
    "The client's reply does not match the contract%s"),
  RequestEnded: ofClient('FSR_ERR_REQUEST_ENDED', 'The connection ended before the client replied'),
  NotAnError: connected('FSR_ERR_NOT_AN_ERROR',
    'A callback threw a value that is not an Error; cause has it', closeCodes.handlerFailed),
  CloseInvalid: connected('FSR_ERR_CLOSE_INVALID',
    'close() takes a code of 1000, 1001, 1003, 1007 to 1014 or 3000 to 4999, ' +
    'and a reason of at most 123 bytes, but %s', closeCodes.handlerFailed),
  RoomInvalid: ofClient('FSR_ERR_ROOM_INVALID',
    'The name of a room is a string of 1 to 256 characters, but this is %s'),
  RoomsTooMany: ofClient('FSR_ERR_ROOMS_TOO_MANY',
    'The connection is already in %s rooms, as many as roomsPerConnection allows')
} as const

const all = Object.values(errors)

const ofLimits: readonly SocketErrorConstructor[] =
  [errors.MessageTooBig, errors.FragmentsTooMany, errors.InboxFull]
const refusals = all.filter(({ prototype }) => prototype.isRefusal === true)
const ofClients = all.filter(({ prototype }) => prototype.isOfClient === true)

/** Whether an error says that a message violates the contract: its text is meant for the client. */
export function isRefusal (error: unknown): error is SocketError {
  return isOneOf(refusals, error)
}

/** Whether an error says that a client has sent more than an option allows. */
export function isOfLimit (error: unknown): error is SocketError {
  return isOneOf(ofLimits, error)
}

/** Whether an uncaught error of a handler is one that a client can cause, as often as it likes. */
export function isOfClient (error: unknown): error is SocketError {
  return isOneOf(ofClients, error)
}

/**
 * Returns a thrown value as an error. Any value that is not an `Error` becomes the `cause` of one,
 * also an error of another realm, and a proxy, which may throw when it is read.
 */
export function asError (thrown: unknown): Error {
  try {
    if (!types.isProxy(thrown) && thrown instanceof Error) return thrown
  } catch {
    // The value has a revoked proxy in its prototype chain.
  }
  return new errors.NotAnError({ cause: thrown })
}

// A thrown value can be anything, also an object that throws when it is read.
function isOneOf (constructors: readonly SocketErrorConstructor[], error: unknown): boolean {
  try {
    return constructors.some((Constructor) => error instanceof Constructor)
  } catch {
    return false
  }
}

/**
 * How an unhandled error closes the connection: with its own close code if it is an error of this
 * plugin, else with 1011.
 */
export function closeReasonOf (error: unknown): CloseReason {
  return isOneOf(all, error)
    ? (error as SocketError).close ?? closeCodes.handlerFailed
    : closeCodes.handlerFailed
}

/**
 * Returns the headers of the HTTP response to an error of this plugin. Fastify sets the headers of
 * any other error.
 */
export function headersOf (error: unknown): Readonly<Record<string, string>> {
  return isOneOf(all, error) ? (error as SocketError).headers ?? {} : {}
}
