import { errors } from './errors.js'
import { strayIn } from './members.js'
import { suggest } from './suggestion.js'

/**
 * Checks a condition on an option.
 *
 * @param problem the text that follows the name in the error.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function check (condition: boolean, name: string, problem: string): asserts condition {
  checkArgument(condition, `Option ${name}`, problem)
}

/**
 * Checks a condition on an argument of a call.
 *
 * @param subject names the argument and the call. The text of the error starts with it.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function checkArgument (
  condition: boolean,
  subject: string,
  problem: string
): asserts condition {
  if (!condition) throw new errors.OptionInvalid(subject, problem)
}

/** Checks that an option is an object with known keys. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkKeys (
  value: unknown,
  name: string,
  keys: readonly string[],
  not = 'not'
): asserts value is object {
  checkMembers(value, `Option ${name}`, keys, not)
}

/** Checks that an argument is an object with known keys. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkMembers (
  value: unknown,
  subject: string,
  keys: readonly string[],
  not = 'not'
): asserts value is object {
  checkArgument(isObject(value), subject, `is ${not} { ${keys.join(', ')} }`)
  const unknown = strayIn(value, keys)
  if (unknown !== undefined) {
    const hint = suggest(unknown, keys, `it is { ${keys.join(', ')} }`)
    throw new errors.OptionInvalid(subject, `has '${unknown}', which is unknown${hint}`)
  }
}

/**
 * Checks the names of options. An unknown one is told the name that was probably meant.
 *
 * @param placeOf describes where an unknown option belongs.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function checkNames (
  given: object,
  known: readonly string[],
  placeOf: (name: string) => undefined | string = () => undefined
): void {
  const unknown = strayIn(given, known)
  if (unknown === undefined) return
  const problem = placeOf(unknown) ??
    `is unknown here${suggest(unknown, known, `there are ${known.join(', ')}`)}`
  throw new errors.OptionInvalid(`Option '${unknown}'`, problem)
}

/**
 * Checks a duration, a size or a count: a positive integer below 2^31. The upper limit is that of
 * timers, and of a Buffer in ws. The typed client has the same check.
 *
 * @param subject as in `checkArgument`.
 * @param unit what the number counts, for the text of the error.
 * @param mayBeInfinite whether `Infinity` is allowed as well, for no limit.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function checkAmount (
  value: unknown,
  subject: string,
  unit: string,
  mayBeInfinite = false
): asserts value is number {
  const isAmount = Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31
  const isAllowed = mayBeInfinite ? 'is neither Infinity nor' : 'is not'
  checkArgument(
    isAmount || (mayBeInfinite && value === Infinity),
    subject,
    `${isAllowed} a positive integer below 2^31 (${unit}), but ${show(value)}`
  )
}

// Describes a value that is not a number. A string is quoted only if it resembles one, such as
// '16kb': any other string may be a secret.
function show (value: unknown): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string' && /^-?[\d_.,]+ ?\w{0,3}$/.test(value) && value.length <= 12) {
    return `'${value}'`
  }
  return value === null ? 'null' : `of type ${typeof value}`
}

/**
 * Checks hooks that control access.
 *
 * @throws `FSR_ERR_OPTION_INVALID`, also for an explicit `undefined`.
 */
export function checkHooks (given: unknown, name: string): void {
  const areHooks = [given].flat().every((hook) => typeof hook === 'function')
  check(areHooks, name, 'is neither a hook nor a list of hooks, so that everyone would have ' +
    'access: leave it out if that is intended')
}

/** Whether a value is an object, but not an array. */
export function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value is an object with these methods. */
export function hasMethods (value: unknown, names: readonly string[]): boolean {
  return isObject(value) &&
    names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}
