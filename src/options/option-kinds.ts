import { check, checkAmount, checkKeys } from '../option-checks.js'

/** The levels at which options are set. */
export type Level = 'plugin' | 'scope' | 'route'

/** What a number of an option counts. */
export type Unit =
  | 'milliseconds'
  | 'bytes'
  | 'connections'
  | 'fragments'
  | 'messages'
  | 'rooms'
  | 'streams'
  | 'windows'

/** The place of a value: its name, its level, and the effective values around it. */
export interface Place<Effective> {
  /** `heartbeat`, or `heartbeat.interval` for a member. */
  readonly name: string
  readonly level: Level
  /** The effective value of the outer level. */
  readonly outer: Effective
  /** The effective values of this level: those that stand earlier in the table. */
  readonly effective: object
}

/** A kind of value, of any effective form. */
export interface AnyKind {
  /** What a number counts. */
  readonly unit?: Unit
  /** The default as an app would write it; `undefined` if there is none, or only words tell it. */
  readonly default: unknown
  /** The effective default. */
  readonly initial: unknown
  /** The members of an object. */
  readonly members?: Kinds
  /**
   * What a route must have for the value to have an effect: a grant, or one that asks for roles,
   * also of a message; or a contract. Elsewhere the value would look like a protection, and is
   * refused.
   */
  readonly needs?: undefined | 'grant' | 'roles' | 'contract'
  /** Whether an explicit `undefined` is read, to be refused, rather than ignored. */
  readonly refusesUndefined?: boolean
  /** Checks a value, and returns its effective form. @throws `FSR_ERR_OPTION_INVALID`. */
  read (given: unknown, place: Place<unknown>): unknown
}

/** A kind of value: its default, and how it is read. */
export interface Kind<Effective> extends AnyKind {
  readonly initial: Effective
  read (given: unknown, place: Place<Effective>): Effective
}

/** The kinds of the members of an object. */
export type Kinds = Readonly<Record<string, AnyKind>>

/** The effective form of a kind. */
export type EffectiveOf<Of> = Of extends { read (...all: never): infer Effective }
  ? Effective
  : never

/** The effective form of an object with these members. */
export type Members<Of extends Kinds> = { readonly [Name in keyof Of]: EffectiveOf<Of[Name]> }

/** The kind of a duration, a size or a count. */
export interface Amount extends Kind<number> {
  readonly unit: Unit
}

/** A duration, a size or a count: a positive integer below 2^31. */
export function amount (unit: Unit, initial: number): Amount {
  return {
    unit,
    default: initial,
    initial,
    read (given, { name }) {
      checkAmount(given, `Option ${name}`, unit)
      return given
    }
  }
}

/** An amount without a default. @param none the effective value where it is not set. */
export function unlimited<None> (unit: Unit, none: None): Kind<None | number> & { unit: Unit } {
  return { ...amount(unit, 0), default: undefined, initial: none }
}

/** One of several names; the first is the default. */
export function choice<Name extends string> (first: Name, ...others: Name[]): Kind<Name> {
  const names = [first, ...others]
  const listed = names.map((name) => `'${name}'`).join(' nor ')
  return value(first, (given) => names.includes(given as Name), `is neither ${listed}`)
}

/** `true` or `false`. */
export function flag (initial: boolean): Kind<boolean> {
  return value(initial, (given) => typeof given === 'boolean', 'is neither true nor false')
}

/**
 * A value that is passed on as it is.
 *
 * @param problem the text of the error if it is not as expected.
 */
export function value<Value> (
  initial: Value,
  isExpected: (given: unknown) => boolean,
  problem: string
): Kind<Value> {
  return {
    default: initial,
    initial,
    read (given, { name }) {
      check(isExpected(given), name, problem)
      return given as Value
    }
  }
}

/** A value that is checked where it is used: by Fastify, or by `@fastify/websocket`. */
export function unchecked<Value> (): Kind<undefined | Value> {
  return value<undefined | Value>(undefined, () => true, '')
}

/** A value that is converted. @param byDefault the default as an app would write it. */
export function converted<Given, Effective> (
  byDefault: Given,
  convert: (given: Given, name: string) => Effective
): Kind<Effective> {
  return {
    default: byDefault,
    initial: convert(byDefault, ''),
    read: (given, { name }) => convert(given as Given, name)
  }
}

/**
 * An object, whose members each have the value of the outer level where they are not set.
 *
 * @param not the beginning of the error text for a value that is not an object.
 */
export function object<Of extends Kinds> (
  members: Of,
  not = 'not'
): Kind<Members<Of>> & { readonly members: Of } {
  return {
    default: mapped(members, (kind) => kind.default),
    initial: mapped(members, (kind) => kind.initial) as Members<Of>,
    members,
    read (given, { name, outer, ...place }) {
      checkKeys(given, name, Object.keys(members), not)
      return mapped(members, (kind, key) => {
        const own: unknown = Reflect.get(given, key)
        const above: unknown = Reflect.get(outer, key)
        return own === undefined
          ? above
          : kind.read(own, { ...place, name: `${name}.${key}`, outer: above })
      }) as Members<Of>
    }
  }
}

/** An object, or `false`. An inner level can turn on again what an outer one has turned off. */
export function objectOrFalse<Of extends Kinds> (
  members: Of
): Kind<false | Members<Of>> & { readonly members: Of } {
  const kind = object(members, 'neither false nor')
  return {
    ...kind,
    read (given, { outer, ...place }) {
      if (given === false) return false
      return kind.read(given, { ...place, outer: outer === false ? kind.initial : outer })
    }
  }
}

/** An object, or `true` for its defaults, or `false`, the default. */
export function objectOrBoolean<Of extends Kinds> (
  members: Of
): Kind<false | Members<Of>> & { readonly members: Of } {
  const kind = object(members, 'neither true, false nor')
  return {
    ...kind,
    default: false,
    initial: false,
    read (given, place) {
      if (given === false) return false
      return kind.read(given === true ? {} : given, { ...place, outer: kind.initial })
    }
  }
}

function mapped<Of extends Kinds> (
  members: Of,
  map: (kind: AnyKind, name: string) => unknown
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).map(([name, kind]) => [name, map(kind, name)]))
}
