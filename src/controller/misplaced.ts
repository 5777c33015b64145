// Options that read like a guard, wherever they stand.
const guards = ['isGranted', 'tokenFrom', 'requireExpiry', 'roleHierarchy', 'preValidation', 'preHandler']
// What a controller of the app's own may have under these names is a service; lists and texts are options.
const lists = ['roles', 'origins']
const statics = [...guards, ...lists, 'onRequest', 'preMessage', 'preSend', 'connections', 'rate', 'path', 'schema', 'on', 'onOpen', 'onMessage', 'onClose', 'onError']

/**
 * The first option of a route that stands on a controller or its class, where it would be ignored and everyone let in.
 *
 * @param Class of the controller.
 */
export function misplacedIn (controller: object, Class: unknown): undefined | string {
  const own = guards.find((name) => name in controller) ?? lists.find((name) => isOption(Reflect.get(controller, name)))
  if (own !== undefined) return own
  for (let level = Class; typeof level === 'function' && level !== Function.prototype && level !== Object; level = Object.getPrototypeOf(level)) {
    const found = statics.find((name) => Object.hasOwn(level as object, name)) ?? Object.keys(level).find((name) => name === 'name')
    if (found !== undefined) return `a static ${found}`
  }
}

function isOption (value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'function' || Array.isArray(value)
}
