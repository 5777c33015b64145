/**
 * What arrives of a value that is sent as JSON: a `Date` as a text, an object with `toJSON()` as what that returns, a `Map` or a `Set` as an
 * empty object, an element that is `undefined` as `null`. Members that are functions or `undefined` do not arrive; a `bigint` cannot be
 * sent, and is `never` (ECMA-262 section 25.5.2).
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
type Unsent = symbol | ((...given: never) => unknown) | (abstract new (...given: never) => unknown)
// Objects whose content is in no member.
type Closed = ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | WeakMap<never, unknown> | WeakSet<never> | ArrayBuffer | RegExp | Promise<unknown>

type Element<Type> = Type extends undefined | Unsent ? null : AsJson<Type>

// Most types have no member that may be undefined and has to be there: they stay one mapped type, with its modifiers.
type Members<Type> = [Uncertain<Type>] extends [never]
  ? { [Key in keyof Type as Sent<Key, Type[Key]>]: AsJson<Type[Key]> }
  : Flat<
    & { [Key in keyof Type as Exclude<Sent<Key, Type[Key]>, Uncertain<Type>>]: AsJson<Type[Key]> }
    & { [Key in Uncertain<Type>]?: AsJson<Exclude<Type[Key], undefined | Unsent>> }
  >

type Sent<Key, Value> = Key extends symbol ? never : [Value] extends [undefined | Unsent] ? [Value] extends [never] ? Key : never : Key
// The members that are sent or not, as their value is, which their type does not say by a question mark.
type Uncertain<Type> = { [Key in keyof Type]-?: Type extends Record<Key, Type[Key]> ? IsUncertain<Key, Type[Key]> : never }[keyof Type]
type IsUncertain<Key, Value> = unknown extends Value ? never : [Extract<Value, undefined | Unsent>] extends [never] ? never : Sent<Key, Value>
type Flat<Type> = { [Key in keyof Type]: Type[Key] }
