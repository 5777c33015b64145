/**
 * Returns the end of an error text about an unknown name: the most similar known name, if one is
 * similar enough, then all of them.
 *
 * @param rest the sentence that lists the known names, such as `there are messages, bytes`.
 */
export function suggest (unknown: string, known: readonly string[], rest: string): string {
  const meant = nearest(unknown, known)
  return meant === undefined
    ? `; ${rest}`
    : `: did you mean ${meant}? ${rest.charAt(0).toUpperCase()}${rest.slice(1)}`
}

interface Near {
  readonly each: string
  readonly distance: number
}

/**
 * Returns a known name that differs by a letter or two, regardless of case, or one that shares its
 * words with the unknown name.
 */
export function nearest (name: string, known: readonly string[]): undefined | string {
  const given = name.toLowerCase()
  const most = Math.min(2, Math.floor(name.length / 3))
  const [near] = known
    .map((each) => ({ each, distance: distanceOf(given, each.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance) as [Near]
  if (near.distance <= most) return near.each
  const words = wordsOf(name)
  // The last word may be a prefix, as in `stream` of `streamsPerConnection`.
  return known.find((each) =>
    each.length > 3 &&
    name.length > 3 &&
    (words.includes(wordsOf(each)) || wordsOf(each).includes(words.slice(0, -1))))
}

// `maxPayload` as `-max-payload-`. Without the outer hyphens, `name` would match `namespace`.
function wordsOf (name: string): string {
  return `-${name.replace(/[A-Z]/g, '-$&').toLowerCase()}-`
}

// The Damerau-Levenshtein distance: how many letters must be inserted, deleted, replaced or swapped
// with the next.
function distanceOf (one: string, other: string): number {
  let before: number[] = []
  let row = Array.from({ length: other.length + 1 }, (_none, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const isSwapped =
        i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]
      next.push(Math.min(
        next[j - 1]! + 1,
        row[j]! + 1,
        row[j - 1]! + Number(one[i - 1] !== other[j - 1]),
        isSwapped ? before[j - 2]! + 1 : Infinity
      ))
    }
    [before, row] = [row, next]
  }
  return row[other.length]!
}
