import { sizeText } from './bytes.js'
import { button, h } from './element.js'
import { jsonView } from './json-view.js'
import { MOST_ITEMS, type Entry } from './log.js'
import { durationText } from './entry-text.js'

/** A log entry on the page. */
export interface EntryView {
  readonly element: HTMLElement
  /** Shows the changes of the entry. */
  update (): void
}

const PREVIEW = 160
const arrows = { sent: '↑', received: '↓', note: '•' }

/** Creates the view of a log entry. */
export function entryView (entry: Entry): EntryView {
  const { direction, at, id, request } = entry
  const time = new Date(at)
  const title = h('span', { class: 'entry-title' })
  const facts = h('span', { class: 'entry-facts' })
  const preview = h('span', { class: 'entry-preview' })
  const note = h('p', { class: 'entry-note' })
  const head = h('div', { class: 'entry-head' },
    h('span', { class: 'entry-arrow', title: direction === 'note' ? undefined : direction },
      h('span', { 'aria-hidden': 'true' }, arrows[direction]),
      h('span', { class: 'hidden' }, direction === 'note' ? '' : direction)
    ),
    title,
    id === undefined ? undefined : h('span', { class: 'entry-id' }, `#${id}`),
    facts,
    h('time', { datetime: time.toISOString(), title: time.toISOString() }, clockText(time))
  )
  const content = h('div', { class: 'entry-content' })
  const details = h('details', {}, h('summary', {}, preview), content)
  const cancel = button('Cancel', () => { entry.cancel?.() }, { class: 'small' })
  const element = h('li', { class: `entry ${direction}` }, head, details, note, cancel)
  let isDrawn = false

  const draw = (): void => {
    if (!details.open) return
    if (entry.items !== undefined) {
      content.replaceChildren(...hiddenItems(entry), ...entry.items.map(jsonView))
    } else if (!isDrawn) {
      content.replaceChildren(
        entry.title === 'binary' ? h('pre', { class: 'json' }, entry.text) : jsonView(entry.text)
      )
    }
    isDrawn = true
  }
  details.addEventListener('toggle', draw)

  const update = (): void => {
    const { tone, items, count, size, took, text } = entry
    element.dataset['tone'] = tone ?? ''
    title.textContent = entry.title
    const answers = request === undefined ? [] : [`to ${request.title}`]
    facts.textContent = [
      ...answers,
      ...(items === undefined
        ? []
        : [`${count!.toLocaleString('en')} ${count === 1 ? 'item' : 'items'}`]),
      ...(took === undefined || items !== undefined ? [] : [durationText(took)]),
      ...(size === 0 ? [] : [sizeText(size)])
    ].join(' · ')
    const shown = items?.at(-1) ?? text
    preview.textContent = shown.length > PREVIEW ? `${shown.slice(0, PREVIEW)}…` : shown
    details.hidden = shown === ''
    note.textContent = entry.note ?? ''
    note.hidden = note.textContent === ''
    cancel.hidden = entry.cancel === undefined
    draw()
  }
  update()
  return { element, update }
}

function hiddenItems ({ count, items }: Entry): HTMLElement[] {
  return count! > items!.length
    ? [h('p', { class: 'hint' }, `The last ${MOST_ITEMS} of ${count!.toLocaleString('en')}.`)]
    : []
}

function clockText (time: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0')
  const seconds = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
  return `${seconds}.${String(time.getMilliseconds()).padStart(3, '0')}`
}
