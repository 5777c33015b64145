// The values that the checks of durations, sizes and counts are tested with, on the server and in
// the client.

/** No amounts, wherever they are given. */
export const wrongAmounts: readonly unknown[] = [
  NaN, -Infinity, -1, 0.5, 1.5, -0.5, 2 ** 31, 2 ** 53, '5', '5s', '', null, true, false, 5n, [
    5
  ], [], {}, Object(5), Symbol('5'), () => 5
]

/** Amounts; whether 0 and `Infinity` are allowed as well, each place says for itself. */
export const rightAmounts: readonly number[] = [1, 5, 1_000, 2 ** 31 - 1]

/** A value, for the text of an assertion. */
export function nameOf (value: unknown): string {
  return `${typeof value} ${Array.isArray(value) ? 'list ' : ''}${String(value)}`
}
