const always = 'leave it out'
const ofWs = (name: string): string =>
  `it is an option of ws: register(socketRoutes, { websocket: { options: { ${name} } } })`
const ofWebsocket = (name: string): string =>
  `it is an option of @fastify/websocket: register(socketRoutes, { websocket: { ${name} } })`

// Option names of Socket.IO, ws, NestJS and @fastify/websocket, and the counterpart of each here.
const foreign = new Map(Object.entries({
  // More than one of these libraries
  path: 'the path is the first argument of socketRoute()',
  cors: 'did you mean origins?',
  guard: 'did you mean isGranted?',
  auth: 'did you mean isGranted?',
  role: 'did you mean isGranted?',
  handler: 'the controller is the second argument of socketRoute()',
  server: `sockets use the server of Fastify, ${always}`,
  noServer: `sockets use the server of Fastify, ${always}`,
  host: 'did you mean constraints: { host } of a route, or host of app.listen()?',
  port: 'did you mean port of app.listen()?',
  backlog: 'did you mean backlog of app.listen()?',
  perMessageDeflate: 'did you mean compression?',
  heartbeatInterval: 'did you mean heartbeat: { interval }?',
  heartbeatTimeout: 'did you mean heartbeat: { timeout }?',
  // Socket.IO, also through NestJS
  pingInterval: 'did you mean heartbeat: { interval }?',
  pingTimeout: 'did you mean heartbeat: { timeout }?',
  maxHttpBufferSize: 'did you mean maxPayload?',
  allowRequest: 'did you mean isGranted, or origins?',
  connectTimeout: 'did you mean handshakeTimeout?',
  transports: `WebSocket is the only transport, ${always}`,
  allowUpgrades: `WebSocket is the only transport, ${always}`,
  connectionStateRecovery: `no state is kept for a disconnected client, ${always}`,
  guards: 'did you mean isGranted?',
  useGuards: 'did you mean isGranted?',
  allowEIO3: `Engine.IO is not supported, ${always}`,
  namespace:
    'a namespace of Socket.IO is a path here, the first argument of socketRoute(); ' +
    'one of @fastify/jwt belongs to jwt: { jwt: { namespace } }',
  // ws
  verifyClient: `did you mean isGranted? Otherwise ${ofWs('verifyClient')}`,
  handleProtocols: 'did you mean protocols?',
  subprotocols: 'did you mean protocols?',
  clientTracking:
    `clients are always tracked, see clients of the handle that socketRoute() returns, ${always}`,
  WebSocket: ofWs('WebSocket'),
  autoPong: ofWs('autoPong'),
  allowSynchronousEvents: ofWs('allowSynchronousEvents'),
  skipUTF8Validation: ofWs('skipUTF8Validation'),
  // @fastify/websocket
  options: ofWebsocket('options'),
  errorHandler: ofWebsocket('errorHandler'),
  preClose: ofWebsocket('preClose'),
  wsHandler: 'the controller is the second argument of socketRoute()',
  // `{ websocket: true }` of a route; as an option of the plugin, `websocket` is known
  websocket:
    `each socketRoute() is one, ${always}; options of @fastify/websocket are given to register()`
}))

/**
 * Returns a hint for an option name of another library: its counterpart here, or where it belongs.
 * Returns `undefined` for any other name.
 */
export function ofOtherLibrary (name: string): undefined | string {
  return foreign.get(name)
}
