import type { MessageId } from './wire.js'

/** One line of the log. What changes of it is told with `Log.changed`. */
export interface Entry {
  readonly direction: 'sent' | 'received' | 'note'
  /** Milliseconds since 1970. */
  readonly at: number
  /** Its type on the wire, or what has happened. */
  title: string
  readonly id?: undefined | MessageId
  /** What travelled, or for bytes how they look. */
  text: string
  /** Bytes. */
  size: number
  /** What people are told besides. */
  note?: undefined | string
  tone?: undefined | 'good' | 'bad' | 'warn'
  /** What this answers. */
  readonly request?: undefined | Entry
  /** Milliseconds from the request to its answer. */
  took?: undefined | number
  /** The items of a stream: the last ones, and how many there were. */
  readonly items?: undefined | string[]
  count?: undefined | number
  /** Takes it back, as long as it waits for its answer. */
  cancel?: undefined | (() => void)
}

/** What a log tells whoever shows it. */
export interface LogListener {
  added (entry: Entry): void
  changed (entry: Entry): void
  removed (entry: Entry): void
}

/** What a browser can show and keep without getting slow. */
export const MOST_ENTRIES = 1_000
const MOST_CHARACTERS = 8_000_000
/** How many items of one stream are kept. */
export const MOST_ITEMS = 100
// The longest message, and the longest item of a stream, that is kept as a whole.
const LONGEST = 1_000_000
const LONGEST_ITEM = 10_000
const LONGEST_TITLE = 200

/** What has happened on a connection, and on those before it: the last 1,000 entries. */
export class Log {
  readonly entries: Entry[] = []
  listener: undefined | LogListener
  #characters = 0

  add (entry: Entry): Entry {
    if (entry.text.length > LONGEST) {
      entry.text = cut(entry.text, LONGEST)
      entry.note = `${entry.note ?? ''} Only the first ${LONGEST.toLocaleString('en')} characters are kept.`.trim()
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

  /** One more of a stream. */
  addItem (entry: Entry, text: string, size: number): void {
    const items = entry.items!
    const item = cut(text, LONGEST_ITEM)
    items.push(item)
    const gone = items.length > MOST_ITEMS ? items.shift()! : ''
    // It may be out of the log already.
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
    while (this.entries.length > MOST_ENTRIES || (this.#characters > MOST_CHARACTERS && this.entries.length > 1)) this.#remove()
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

// A part of a text would keep the whole of it in memory.
function cut (text: string, length: number): string {
  return text.length <= length ? text : new TextDecoder().decode(new TextEncoder().encode(text.slice(0, length)))
}
