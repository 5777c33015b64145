/**
 * The rooms of a connection as an app sees them. It is kept in step, as whoever looks after each of a thousand joins would otherwise
 * have it made anew a thousand times. But a loop over it goes over those that were there when it began: one that leaves each room
 * and enters another would never end.
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

  override forEach (callback: (name: string, same: string, all: Set<string>) => void, self?: unknown): void {
    for (const name of this) callback.call(self, name, name, this)
  }
}
