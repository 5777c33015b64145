/** Whether two types are the same, `any` being the same as nothing else. */
export type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

/** Compiles only for a type that is `true`. */
export type Expect<T extends true> = T

/** Says which type a value must have, neither a wider nor a narrower one: `is<string>()(value)`. */
export function is<Wanted> () {
  return <Given>(_value: Given, ..._same: Equal<Given, Wanted> extends true ? [] : [{
    wanted: Wanted
    given: Given
  }]): void => {
  }
}
