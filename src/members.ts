/**
 * Returns the first property name of an object, own or inherited, that is not in a list of known
 * names. For a Map, a promise or a class instance that is a method: such an object must not pass
 * for an empty options object.
 */
export function strayIn (object: object, known: readonly string[]): undefined | string {
  for (
    let level: null | object = object;
    level !== null && (level === object || !isRoot(level));
    level = Object.getPrototypeOf(level)
  ) {
    const isInherited = level !== object
    const stray = Object.getOwnPropertyNames(level)
      .find((name) => !known.includes(name) && !(isInherited && name === 'constructor'))
    if (stray !== undefined) return stray
  }
}

/**
 * Whether a value is an object of which all properties are own and enumerable: no array, no Map, no
 * promise.
 */
export function isRecord (value: unknown): value is object {
  return typeof value === 'object' &&
    value !== null &&
    strayIn(value, Object.keys(value)) === undefined
}

// `Object.prototype`, of any realm.
function isRoot (level: object): boolean {
  return Object.getPrototypeOf(level) === null && Object.hasOwn(level, 'hasOwnProperty')
}
