const always = 'leave it out'
const ofWs = (name: string): string => `it is one of ws: register(socketRoutes, { websocket: { options: { ${name} } } })`
const ofWebsocket = (name: string): string => `it is one of @fastify/websocket: register(socketRoutes, { websocket: { ${name} } })`

// Names of options as Socket.IO, ws, NestJS and @fastify/websocket have them, and what is here in their place.
const foreign = new Map(Object.entries({
  // Several of them
  path: 'the path is the first argument of socketRoute()',
  cors: 'did you mean origins?',
  guard: 'did you mean isGranted?',
  auth: 'did you mean isGranted?',
  handler: 'the controller is the second argument of socketRoute()',
  server: `sockets are of the server of Fastify, ${always}`,
  noServer: `sockets are of the server of Fastify, ${always}`,
  host: 'did you mean constraints: { host } of a route, or host of app.listen()?',
  port: 'did you mean port of app.listen()?',
  backlog: 'did you mean backlog of app.listen()?',
  perMessageDeflate: 'did you mean compression?',
  heartbeatInterval: 'did you mean heartbeat: { interval }?',
  heartbeatTimeout: 'did you mean heartbeat: { timeout }?',
  // Socket.IO, and NestJS with it
  pingInterval: 'did you mean heartbeat: { interval }?',
  pingTimeout: 'did you mean heartbeat: { timeout }?',
  maxHttpBufferSize: 'did you mean maxPayload?',
  allowRequest: 'did you mean isGranted, or origins?',
  connectTimeout: 'did you mean handshakeTimeout?',
  transports: `WebSocket is the only transport, ${always}`,
  allowUpgrades: `WebSocket is the only transport, ${always}`,
  connectionStateRecovery: `nothing is kept for a client that is away, ${always}`,
  guards: 'did you mean isGranted?',
  useGuards: 'did you mean isGranted?',
  allowEIO3: `Engine.IO is not spoken here, ${always}`,
  namespace: 'a namespace of Socket.IO is a path here, the first argument of socketRoute(); one of @fastify/jwt belongs to jwt: { jwt: { namespace } }',
  // ws
  verifyClient: `did you mean isGranted? Else ${ofWs('verifyClient')}`,
  handleProtocols: 'did you mean protocols?',
  clientTracking: `the clients of a route are always known, as clients of what socketRoute() returns, ${always}`,
  WebSocket: ofWs('WebSocket'),
  autoPong: ofWs('autoPong'),
  allowSynchronousEvents: ofWs('allowSynchronousEvents'),
  skipUTF8Validation: ofWs('skipUTF8Validation'),
  // @fastify/websocket
  options: ofWebsocket('options'),
  errorHandler: ofWebsocket('errorHandler'),
  preClose: ofWebsocket('preClose'),
  wsHandler: 'the controller is the second argument of socketRoute()',
  // Where it is no option of the place, as in { websocket: true } of a route
  websocket: `each socketRoute() is one, ${always}; options of @fastify/websocket are given to register()`
}))

/** What is here in the place of an option of another library; nothing for a name that none of them has. */
export function ofOtherLibrary (name: string): undefined | string {
  return foreign.get(name)
}
