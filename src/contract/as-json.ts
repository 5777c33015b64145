/**
 * The type of a value after it was sent as JSON and parsed. A `Date` becomes a string, an object
 * with `toJSON()` the result of that, a `Map` or `Set` an empty object, an array element that is
 * `undefined` becomes `null`. Members that are functions or `undefined` are left out. A `bigint`
 * cannot be sent and is `never` (ECMA-262 section 25.5.2).
 */
export type AsJson<Type> =
  unknown extends Type ? Type
    : Type extends Scalar ? Type
      : Type extends { toJSON (...given: never): infer Json } ? AsJson<Json>
        : Type extends bigint ? never
          : Type extends Unsent ? undefined
            : Type extends readonly unknown[] ? { [Index in keyof Type]: Element<Type[Index]> }
              : Type extends ArrayBufferView ? Record<string, number>
                : Type extends Closed ? Record<string, never>
                  : Type extends object ? Members<Type>
                    : Type

type Scalar = string | number | boolean | null | undefined
type Unsent =
  | symbol
  | ((...given: never) => unknown)
  | (abstract new (...given: never) => unknown)
// Objects that keep their content in internal slots, which JSON.stringify does not see.
type Closed =
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | WeakMap<never, unknown>
  | WeakSet<never>
  | ArrayBuffer
  | RegExp
  | Promise<unknown>

type Element<Type> = Type extends undefined | Unsent ? null : AsJson<Type>

// Most types have no required member that may be undefined. They stay a single mapped type, which
// keeps its modifiers.
type Members<Type> = [Uncertain<Type>] extends [never]
  ? { [Key in keyof Type as Sent<Key, Type[Key]>]: AsJson<Type[Key]> }
  : Flat<
    & { [Key in keyof Type as Exclude<Sent<Key, Type[Key]>, Uncertain<Type>>]: AsJson<Type[Key]> }
    & { [Key in Uncertain<Type>]?: AsJson<Exclude<Type[Key], undefined | Unsent>> }
  >

type Sent<Key, Value> = Key extends symbol ? never
  : [Value] extends [undefined | Unsent] ? [Value] extends [never] ? Key : never
      : Key
// Required members whose value may be undefined: JSON.stringify leaves them out in that case.
type Uncertain<Type> = {
  [Key in keyof Type]-?: Type extends Record<Key, Type[Key]> ? IsUncertain<Key, Type[Key]> : never
}[keyof Type]
type IsUncertain<Key, Value> = unknown extends Value ? never
  : [Extract<Value, undefined | Unsent>] extends [never] ? never
      : Sent<Key, Value>
type Flat<Type> = { [Key in keyof Type]: Type[Key] }
