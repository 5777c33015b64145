/** A name as a part of a key. Such keys stand in a `$ref` as they are. */
export function keyOf (name: string): string {
  return name.replace(/[^\w.-]+/g, '_')
}

/** Keys of one object of the document: what is alike shares one, and what is not has one of its own. */
export class Keys {
  readonly #takenBy = new Map<string, string>()

  /** @param identity what is alike has the same. */
  take (key: string, identity: string): string {
    let own = key
    for (let count = 2; (this.#takenBy.get(own) ?? identity) !== identity; count++) own = `${key}_${count}`
    this.#takenBy.set(own, identity)
    return own
  }
}
