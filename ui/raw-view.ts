import { fromHex } from './bytes.js'
import { field, form, h } from './element.js'
import type { Session } from './session.js'

/** Creates a form for a text that is sent as it is. */
export function textView (session: Session): HTMLElement {
  const text = h('textarea', { rows: 4, spellcheck: 'false' })
  text.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) session.sendText(text.value)
  })
  return form(() => { session.sendText(text.value) }, { class: 'data-form' },
    field('Text', text, 'Sent exactly as it is here. Ctrl+Enter sends.'),
    h('div', { class: 'row actions' },
      h('button', { type: 'submit', class: 'primary' }, 'Send text')
    )
  )
}

/** Creates a form for bytes: in hexadecimal, or from a file. */
export function binaryView (session: Session): HTMLElement {
  const hex = h('textarea', {
    rows: 2,
    spellcheck: 'false',
    class: 'mono',
    placeholder: '48 65 6c 6c 6f'
  })
  const file = h('input', { type: 'file' })
  const problem = h('p', { class: 'problems', role: 'alert', hidden: true })
  const tell = (message: string): void => {
    problem.textContent = message
    problem.hidden = message === ''
  }
  const send = async (): Promise<void> => {
    tell('')
    const [chosen] = file.files ?? []
    try {
      session.sendBytes(
        chosen === undefined ? fromHex(hex.value) : new Uint8Array(await chosen.arrayBuffer())
      )
    } catch (error) {
      tell((error as Error).message)
    }
  }
  hex.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send()
  })
  hex.addEventListener('input', () => { file.value = '' })
  return form(
    () => { send() },
    { class: 'data-form' },
    field('Bytes in hexadecimal', hex),
    field('or a file', file),
    problem,
    h('div', { class: 'row actions' },
      h('button', { type: 'submit', class: 'primary' }, 'Send binary')
    )
  )
}
