type Child = Node | string | undefined
type Attributes = Readonly<Record<string, undefined | string | number | boolean>>

/**
 * Makes an element. Children that are strings become text, so nothing that a server says becomes markup; the names of attributes are
 * always the page's own.
 */
export function h<Name extends keyof HTMLElementTagNameMap> (name: Name, attributes: Attributes = {}, ...children: readonly Child[]): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value === true ? '' : String(value))
  }
  element.append(...children.filter((child) => child !== undefined))
  return element
}

let lastId = 0

/** An id that no other element has. */
export function freshId (): string {
  return `e${++lastId}`
}

/** What a button may have. */
export interface ButtonOptions {
  readonly class?: undefined | string
  readonly label?: undefined | string
}

/** Makes a button, which does not send a form. */
export function button (text: string, onClick: () => void, { class: className, label }: ButtonOptions = {}): HTMLButtonElement {
  const element = h('button', { type: 'button', class: className, 'aria-label': label }, text)
  element.addEventListener('click', onClick)
  return element
}

/** A label above a control, with a hint below it. */
export function field (label: string, control: HTMLElement, hint: string | Node = ''): HTMLElement {
  control.id ||= freshId()
  if (hint === '') return h('div', { class: 'field' }, h('label', { for: control.id }, label), control)
  const hintId = freshId()
  control.setAttribute('aria-describedby', hintId)
  return h('div', { class: 'field' }, h('label', { for: control.id }, label), control, h('p', { class: 'hint', id: hintId }, hint))
}

/** A form whose submission is the page's own. */
export function form (onSubmit: () => void, attributes: Attributes, ...children: readonly Child[]): HTMLFormElement {
  const element = h('form', { novalidate: true, ...attributes }, ...children)
  element.addEventListener('submit', (event) => {
    event.preventDefault()
    onSubmit()
  })
  return element
}

/** A text with `code` in it. The rest of Markdown stays as it was written, which can be read as well. */
export function prose (text: string): Array<Node | string> {
  return text.split(/`([^`\n]+)`/).map((part, at) => at % 2 === 1 ? h('code', {}, part) : part)
}
