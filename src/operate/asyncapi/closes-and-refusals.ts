import { closeCodes } from '../../protocol/close-codes.js'
import { errors } from '../../errors.js'
import type { AsyncapiClose, AsyncapiRoute } from './document.js'
import { everyOrigin } from '../../auth/origin.js'
import type { RouteProperties } from './route-metadata.js'

/**
 * Returns the ways in which a connection to a route may end. An app may add close codes of its own.
 */
export function closesOf (
  { contract, isGuarded, sources, options }: RouteProperties
): AsyncapiClose[] {
  const { connections: { perUser }, rate, refusals } = options
  const isLater = sources.includes('message')
  const may: Record<keyof typeof closeCodes, boolean> = {
    normal: true,
    protocolError: true,
    unsupportedData: contract !== undefined,
    invalidPayload: true,
    policyViolation: true,
    replaced: typeof perUser === 'object' && perUser.on === 'close-oldest',
    tooBig: true,
    handlerFailed: true,
    restart: true,
    tooSlow: true,
    tokenExpired: isGuarded,
    tokenMissing: isLater,
    tokenInvalid: isGuarded,
    notGranted: isLater,
    tooManyConnections: isLater && perUser !== undefined,
    tooManyMessages: rate !== undefined,
    tooManyRefused: contract !== undefined && refusals !== false,
    revoked: isGuarded
  }
  return namesOf(may).map((name) => closeCodes[name])
}

/**
 * Returns the HTTP errors that may be sent instead of the upgrade. Hooks of the app may send
 * others.
 */
export function refusalsOf (
  { isGuarded, sources, protocols, hasSchema, options: { connections, origins } }: RouteProperties
): AsyncapiRoute['refusals'] {
  const { perRoute, perUser, perIp } = connections
  const may = {
    HandshakeInvalid: true,
    VersionUnsupported: true,
    UpgradeRequired: true,
    UpgradeDropped: true,
    ProtocolUnsupported: protocols.length > 0,
    OriginRefused: origins !== everyOrigin,
    TokenMissing: isGuarded && !sources.includes('message'),
    TokenInvalid: isGuarded,
    // A ticket expires with the token that it was issued for.
    TokenExpired: sources.length > 0,
    TicketInvalid: sources.includes('ticket'),
    NotGranted: isGuarded,
    ConnectionsTooMany: perIp !== undefined || perUser !== undefined,
    RouteFull: perRoute !== undefined,
    StoreFailed: isGuarded,
    Closing: true
  } as const satisfies Partial<Record<keyof typeof errors, boolean>>
  const refusals = namesOf(may).map((name) => {
    const { statusCode, code } = new errors[name]()
    return { status: statusCode!, code }
  })
  return hasSchema ? [...refusals, { status: 400, code: 'FST_ERR_VALIDATION' }] : refusals
}

function namesOf<Name extends string> (may: Readonly<Record<Name, boolean>>): Name[] {
  return (Object.keys(may) as Name[]).filter((name) => may[name])
}
