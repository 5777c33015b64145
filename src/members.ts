/**
 * The first name that an object has besides those that are known, of its own or inherited: of a Map, a promise or an instance of a class
 * that is one of its methods. What is no bag of options must not pass for one in which nothing is said.
 */
export function strayIn (object: object, known: readonly string[]): undefined | string {
  for (let level: null | object = object; level !== null && (level === object || !isRoot(level)); level = Object.getPrototypeOf(level)) {
    const isInherited = level !== object
    const stray = Object.getOwnPropertyNames(level)
      .find((name) => !known.includes(name) && !(isInherited && name === 'constructor'))
    if (stray !== undefined) return stray
  }
}

/** Whether a value is an object whose members can all be listed: no array, no Map, no promise. */
export function isRecord (value: unknown): value is object {
  return typeof value === 'object' && value !== null && strayIn(value, Object.keys(value)) === undefined
}

// `Object.prototype`, of whichever realm.
function isRoot (level: object): boolean {
  return Object.getPrototypeOf(level) === null && Object.hasOwn(level, 'hasOwnProperty')
}
