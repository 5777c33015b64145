// Option names that always look like a guard.
const guards = [
  'isGranted',
  'tokenFrom',
  'requireExpiry',
  'roleHierarchy',
  'preValidation',
  'preHandler'
]
// A controller may keep a service under one of these names. Only a list, a string or a function is
// taken for an option.
const lists = ['roles', 'origins']
const statics = [
  ...guards,
  ...lists,
  'onRequest',
  'preMessage',
  'preSend',
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
 * Returns the name of the first route option found on a controller or its class. It would be
 * ignored there, and an ignored guard lets every client in.
 *
 * @param Class the class of the controller.
 */
export function misplacedIn (controller: object, Class: unknown): undefined | string {
  const own = guards.find((name) => name in controller) ??
    lists.find((name) => isOption(Reflect.get(controller, name)))
  if (own !== undefined) return own
  for (
    let level = Class;
    typeof level === 'function' && level !== Function.prototype && level !== Object;
    level = Object.getPrototypeOf(level)
  ) {
    const found = statics.find((name) => Object.hasOwn(level as object, name)) ??
      Object.keys(level).find((name) => name === 'name')
    if (found !== undefined) return `a static ${found}`
  }
}

function isOption (value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'function' || Array.isArray(value)
}
