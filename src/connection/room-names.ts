/**
 * The rooms of a connection as an app sees them. The set is kept up to date rather than created for
 * each read: an app may read it after each of a thousand joins. A loop visits the rooms that there
 * were when it began: a loop that leaves each room and joins another would otherwise never end.
 */
export class RoomNames extends Set<string> {
  override [Symbol.iterator] (): SetIterator<string> {
    return this.values()
  }

  override keys (): SetIterator<string> {
    return this.values()
  }

  override values (): SetIterator<string> {
    return Array.from({ [Symbol.iterator]: () => super.values() }).values()
  }

  override entries (): SetIterator<[string, string]> {
    return Array.from(this, (name): [string, string] => [name, name]).values()
  }

  override forEach (
    callback: (name: string, same: string, all: Set<string>) => void,
    self?: unknown
  ): void {
    for (const name of this) callback.call(self, name, name, this)
  }
}
