import { errors } from '../errors.js'
import { strayIn } from '../members.js'
import { suggest } from '../suggestion.js'

/** Checks an option. @param problem goes on with its name. @throws `FSR_ERR_OPTION_INVALID`. */
export function check (condition: boolean, name: string, problem: string): asserts condition {
  if (!condition) throw new errors.OptionInvalid(name, problem)
}

/** Checks the keys of an option. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkKeys (value: unknown, name: string, keys: readonly string[], not = 'not'): void {
  check(isObject(value), name, `is ${not} { ${keys.join(', ')} }`)
  const unknown = strayIn(value, keys)
  if (unknown !== undefined) throw new errors.OptionInvalid(name, `has '${unknown}', which is unknown${suggest(unknown, keys, `it is { ${keys.join(', ')} }`)}`)
}

/** True, false, or nothing. @throws `FSR_ERR_OPTION_INVALID`. */
export function boolean (value: unknown, name: string): undefined | boolean {
  check(value === undefined || typeof value === 'boolean', name, 'is neither true nor false')
  return value
}

/** A positive integer, or nothing. The upper end is that of a timer and of a Buffer in ws. @throws `FSR_ERR_OPTION_INVALID`. */
export function integer (value: unknown, name: string, unit: string): undefined | number {
  if (value === undefined) return
  check(Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31, name, `is not a positive integer below 2^31 (${unit}), but ${show(value)}`)
  return value as number
}

// What was given instead of a number. Of a text only what could be one, as with '16kb': anything else may be what nobody is to read.
function show (value: unknown): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string' && /^-?[\d_.,]+ ?\w{0,3}$/.test(value) && value.length <= 12) return `'${value}'`
  return value === null ? 'null' : `of type ${typeof value}`
}

/** Checks hooks that say who may read something. @throws `FSR_ERR_OPTION_INVALID`, also for an explicit undefined. */
export function checkHooks (given: unknown, name: string): void {
  const areHooks = [given].flat().every((hook) => typeof hook === 'function')
  check(areHooks, name, 'is neither a hook nor a list of hooks, and everyone could read what is there: leave it out if that is meant')
}

/** Whether a value is an object, and no array. */
export function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value is an object with these methods. */
export function hasMethods (value: unknown, names: readonly string[]): boolean {
  return isObject(value) && names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}
