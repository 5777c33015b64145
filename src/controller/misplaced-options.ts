import { isRecord } from '../members.js'

// Option names that a controller uses for nothing else: any value is taken for the option.
const always = [
  'isGranted',
  'tokenFrom',
  'requireExpiry',
  'roleHierarchy',
  'onRequest',
  'preValidation',
  'preHandler',
  'preMessage',
  'preSend',
  'maxPayload'
]
// Options of the plugin alone.
const ofPlugin = ['handshakeTimeout', 'maxFragments', 'outboxBudget', 'drain', 'tickets']

type IsOption = (value: unknown) => boolean

// A controller may keep state or a service under one of these names. Only a value that has the form
// of the option is taken for it.
const byForm: ReadonlyMap<string, IsOption> = new Map(Object.entries<IsOption>({
  roles: isListed,
  origins: isListed,
  protocols: isListed,
  subject: (value) => typeof value === 'function',
  invalidMessages: (value) => typeof value === 'string',
  concurrency: isNumber,
  roomsPerConnection: isNumber,
  streamsPerConnection: isNumber,
  closeTimeout: isNumber,
  handshakeTimeout: isNumber,
  maxFragments: isNumber,
  outboxBudget: isNumber,
  jwt: hasOneOf(['namespace', 'jwtVerify']),
  heartbeat: hasOneOf(['interval', 'timeout']),
  connections: hasOneOf(['perRoute', 'perUser', 'perIp']),
  rate: hasOneOf(['messages', 'bytes', 'per', 'tolerance']),
  outbox: hasOneOf(['limit', 'overflow', 'notice']),
  refusals: hasOneOf(['max', 'per']),
  constraints: hasOneOf(['host', 'version']),
  drain: hasOneOf(['deadline', 'batch', 'interval']),
  tickets: hasOneOf(['ttl', 'store'])
}))

const statics = [
  ...always,
  'roles',
  'origins',
  'connections',
  'rate',
  'path',
  'schema',
  'on',
  'onOpen',
  'onMessage',
  'onClose',
  'onError'
]

/**
 * Returns the first option found on a controller or its class, and where it belongs. It would be
 * ignored there, and an ignored guard or limit is none.
 *
 * @param Class the class of the controller.
 */
export function misplacedIn (controller: object, Class: unknown): undefined | string {
  const own = always.find((name) => name in controller) ?? formedIn(controller)
  if (own !== undefined) return `${own}, which ${placeOf(own)}`
  for (
    let level = Class;
    typeof level === 'function' && level !== Function.prototype && level !== Object;
    level = Object.getPrototypeOf(level)
  ) {
    const found = statics.find((name) => Object.hasOwn(level as object, name)) ??
      Object.keys(level).find((name) => name === 'name') ??
      formedIn(level)
    if (found !== undefined) return `a static ${found}, which ${placeOf(found)}`
  }
}

function placeOf (name: string): string {
  return ofPlugin.includes(name)
    ? 'is an option of the plugin: give it to register()'
    : 'belongs in the third argument of socketRoute(), or in @SocketRoute'
}

// Returns the first name whose value has the form of the option.
function formedIn (object: object): undefined | string {
  for (const [name, isOption] of byForm) {
    try {
      if (isOption(Reflect.get(object, name))) return name
    } catch {
      // A getter may rely on what the app sets up later.
    }
  }
}

function isListed (value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'function' || Array.isArray(value)
}

function isNumber (value: unknown): boolean {
  return typeof value === 'number'
}

// A plain object with one of the members of the option.
function hasOneOf (members: readonly string[]): IsOption {
  return (value) => isRecord(value) && members.some((name) => name in value)
}
