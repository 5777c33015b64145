import { button, h } from './element.js'
import { entryView, type EntryView } from './entry-view.js'
import type { Entry, Log } from './log.js'
import { lineOf } from './entry-text.js'

type Kind = 'all' | 'sent' | 'received' | 'bad'

/** The log of a connection: live, filtered, paused, copied. */
export class LogView {
  readonly element: HTMLElement
  readonly #log: Log
  readonly #list = h('ol')
  readonly #scroller = h('div', { class: 'entries', role: 'log', 'aria-label': 'Log', tabindex: 0 },
    this.#list
  )

  readonly #views = new Map<Entry, EntryView>()
  // The entries to add or to update.
  readonly #due = new Set<Entry>()
  readonly #count = h('span', { class: 'log-count', role: 'status' })
  readonly #empty = h('p', { class: 'log-empty' }, 'Sent and received messages appear here.')
  readonly #pause = button('Pause', () => { this.#toggle() }, { class: 'small' })
  readonly #copy = button('Copy', () => { this.#copyAll() }, { class: 'small' })
  #isPaused = false
  // Whether the view follows the end of the log.
  #isAtEnd = true
  #isScheduled = false
  #kind: Kind = 'all'
  #search = ''

  constructor (log: Log) {
    this.#log = log
    log.listener = {
      added: (entry) => { this.#mark(entry) },
      changed: (entry) => { this.#mark(entry) },
      removed: (entry) => {
        this.#due.delete(entry)
        this.#views.get(entry)?.element.remove()
        this.#views.delete(entry)
        this.#schedule()
      }
    }
    const search = h('input', {
      type: 'search',
      placeholder: 'Filter',
      'aria-label': 'Filter the log',
      class: 'log-search'
    })
    search.addEventListener('input', () => {
      this.#search = search.value.toLowerCase()
      this.#filter()
    })
    const kinds = h('select', { 'aria-label': 'Which entries' },
      ...([['all', 'All'], ['sent', 'Sent'], ['received', 'Received'], ['bad', 'Errors']] as const)
        .map(([value, text]) => h('option', { value }, text))
    )
    kinds.addEventListener('change', () => {
      this.#kind = kinds.value as Kind
      this.#filter()
    })
    this.element = h('section', { class: 'log panel', 'aria-label': 'Messages' },
      h('div', { class: 'log-head' },
        h('h2', {}, 'Log'),
        this.#count,
        h('div', { class: 'row' },
          this.#pause,
          this.#copy,
          button('Clear', () => { log.clear() }, { class: 'small' })
        )
      ),
      h('div', { class: 'log-filter' }, search, kinds),
      h('div', { class: 'log-body' }, this.#empty, this.#scroller)
    )
    this.#scroller.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller
      this.#isAtEnd = scrollHeight - scrollTop - clientHeight < 40
    })
    new ResizeObserver(() => { this.#keepEnd() }).observe(this.#scroller)
    this.#show()
  }

  #keepEnd (): void {
    if (this.#isAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight
  }

  #mark (entry: Entry): void {
    this.#due.add(entry)
    this.#schedule()
  }

  #schedule (): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    // Once for all entries until the next frame.
    requestAnimationFrame(() => {
      this.#isScheduled = false
      this.#show()
    })
  }

  #show (): void {
    if (!this.#isPaused) {
      for (const entry of this.#due) {
        let view = this.#views.get(entry)
        if (view === undefined) {
          view = entryView(entry)
          this.#views.set(entry, view)
          this.#list.append(view.element)
        }
        view.update()
        view.element.hidden = !this.#matches(entry)
      }
      this.#due.clear()
      this.#keepEnd()
    }
    const { length } = this.#log.entries
    const waiting = [...this.#due].filter((entry) => !this.#views.has(entry)).length
    this.#count.textContent = this.#isPaused
      ? `paused, ${waiting} new`
      : length === 0
        ? ''
        : `${length.toLocaleString('en')} ${length === 1 ? 'entry' : 'entries'}`
    this.#empty.hidden = length > 0
    this.#scroller.hidden = length === 0
  }

  #toggle (): void {
    this.#isPaused = !this.#isPaused
    this.#pause.textContent = this.#isPaused ? 'Go on' : 'Pause'
    this.#show()
  }

  #filter (): void {
    for (const [entry, { element }] of this.#views) element.hidden = !this.#matches(entry)
  }

  #matches (entry: Entry): boolean {
    if (
      this.#kind === 'bad'
        ? entry.tone !== 'bad'
        : this.#kind !== 'all' && entry.direction !== this.#kind
    ) return false
    return this.#search === '' || lineOf(entry).toLowerCase().includes(this.#search)
  }

  async #copyAll (): Promise<void> {
    const text = this.#log.entries.filter((entry) => this.#matches(entry)).map(lineOf).join('\n')
    const isCopied = await copy(text)
    this.#copy.textContent = isCopied ? 'Copied' : 'Not allowed'
    setTimeout(() => { this.#copy.textContent = 'Copy' }, 1_500)
  }
}

async function copy (text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    // The clipboard API requires TLS. Without it the old command remains.
    const area = h('textarea', { class: 'hidden', 'aria-hidden': 'true' })
    area.value = text
    document.body.append(area)
    area.select()
    const isCopied = document.execCommand('copy')
    area.remove()
    return isCopied
  }
}
