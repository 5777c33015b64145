/** Returns a name as part of a key that can stand in a `$ref` without escaping. */
export function keyOf (name: string): string {
  return name.replace(/[^\w.-]+/g, '_')
}

/**
 * The keys of one object of the document: equal values share a key, and different values get
 * different keys.
 */
export class UniqueKeys {
  readonly #takenBy = new Map<string, string>()

  /** @param identity equal for equal values. */
  take (key: string, identity: string): string {
    let own = key
    for (let count = 2; (this.#takenBy.get(own) ?? identity) !== identity; count++) {
      own = `${key}_${count}`
    }
    this.#takenBy.set(own, identity)
    return own
  }
}
