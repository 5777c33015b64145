import type { MessageId } from '../src/protocol/envelope.js'

/** A log entry. Changes are announced by `Log.changed`. */
export interface Entry {
  readonly direction: 'sent' | 'received' | 'note'
  /** Milliseconds since 1970. */
  readonly at: number
  /** The `type` on the wire, or the event. */
  title: string
  readonly id?: undefined | MessageId
  /** The message, or a hex dump of bytes. */
  text: string
  /** Bytes. */
  size: number
  /** A remark for the user. */
  note?: undefined | string
  tone?: undefined | 'good' | 'bad' | 'warn'
  /** The request that this entry answers. */
  readonly request?: undefined | Entry
  /** Milliseconds from the request to the answer. */
  took?: undefined | number
  /** The last items of a stream. */
  readonly items?: undefined | string[]
  count?: undefined | number
  /** Cancels the request, while it waits for an answer. */
  cancel?: undefined | (() => void)
}

/** The listener of a log. */
export interface LogListener {
  added (entry: Entry): void
  changed (entry: Entry): void
  removed (entry: Entry): void
}

/** The largest number of entries that a browser shows without getting slow. */
export const MOST_ENTRIES = 1_000
const MOST_CHARACTERS = 8_000_000
/** The largest number of items kept of one stream. */
export const MOST_ITEMS = 100
// The longest message and the longest stream item, in characters, that are kept whole.
const LONGEST = 1_000_000
const LONGEST_ITEM = 10_000
const LONGEST_TITLE = 200

/** The log of a route's connections: the last 1,000 entries. */
export class Log {
  readonly entries: Entry[] = []
  listener: undefined | LogListener
  #characters = 0

  add (entry: Entry): Entry {
    if (entry.text.length > LONGEST) {
      entry.text = cut(entry.text, LONGEST)
      const kept = `Only the first ${LONGEST.toLocaleString('en')} characters are kept.`
      entry.note = `${entry.note ?? ''} ${kept}`.trim()
    }
    entry.title = cut(entry.title, LONGEST_TITLE)
    entry.note &&= cut(entry.note, LONGEST_ITEM)
    this.entries.push(entry)
    this.#characters += lengthOf(entry)
    this.listener?.added(entry)
    this.#makeRoom()
    return entry
  }

  changed (entry: Entry): void {
    this.listener?.changed(entry)
  }

  /** Adds an item to a stream. */
  addItem (entry: Entry, text: string, size: number): void {
    const items = entry.items!
    const item = cut(text, LONGEST_ITEM)
    items.push(item)
    const gone = items.length > MOST_ITEMS ? items.shift()! : ''
    // The entry may have left the log already.
    if (this.entries.includes(entry)) this.#characters += item.length - gone.length
    entry.count = (entry.count ?? 0) + 1
    entry.size += size
    this.changed(entry)
    this.#makeRoom()
  }

  clear (): void {
    while (this.entries.length > 0) this.#remove()
  }

  #makeRoom (): void {
    while (
      this.entries.length > MOST_ENTRIES ||
      (this.#characters > MOST_CHARACTERS && this.entries.length > 1)
    ) this.#remove()
  }

  #remove (): void {
    const entry = this.entries.shift()!
    this.#characters -= lengthOf(entry)
    this.listener?.removed(entry)
  }
}

function lengthOf ({ text, items = [] }: Entry): number {
  return items.reduce((length, item) => length + item.length, text.length)
}

// Copies the text, as a slice would keep the whole string in memory.
function cut (text: string, length: number): string {
  return text.length <= length
    ? text
    : new TextDecoder().decode(new TextEncoder().encode(text.slice(0, length)))
}
