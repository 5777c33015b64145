type Child = Node | string | undefined
type Attributes = Readonly<Record<string, undefined | string | number | boolean>>

/**
 * Creates an element. String children become text, so that no text of a server becomes markup.
 * Attribute names always come from the page.
 */
export function h<Name extends keyof HTMLElementTagNameMap> (
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) {
      element.setAttribute(key, value === true ? '' : String(value))
    }
  }
  element.append(...children.filter((child) => child !== undefined))
  return element
}

let lastId = 0

/** Returns a unique id. */
export function freshId (): string {
  return `e${++lastId}`
}

/** The options of a button. */
export interface ButtonOptions {
  readonly class?: undefined | string
  readonly label?: undefined | string
}

/** Creates a button that does not submit a form. */
export function button (
  text: string,
  onClick: () => void,
  { class: className, label }: ButtonOptions = {}
): HTMLButtonElement {
  const element = h('button', { type: 'button', class: className, 'aria-label': label }, text)
  element.addEventListener('click', onClick)
  return element
}

/** Creates a label above a control, with a hint below it. */
export function field (label: string, control: HTMLElement, hint: string | Node = ''): HTMLElement {
  control.id ||= freshId()
  if (hint === '') {
    return h('div', { class: 'field' }, h('label', { for: control.id }, label), control)
  }
  const hintId = freshId()
  control.setAttribute('aria-describedby', hintId)
  return h('div', { class: 'field' },
    h('label', { for: control.id }, label),
    control,
    h('p', { class: 'hint', id: hintId }, hint)
  )
}

/** Creates a form whose submission the page handles. */
export function form (
  onSubmit: () => void,
  attributes: Attributes,
  ...children: readonly Child[]
): HTMLFormElement {
  const element = h('form', { novalidate: true, ...attributes }, ...children)
  element.addEventListener('submit', (event) => {
    event.preventDefault()
    onSubmit()
  })
  return element
}

/** Renders `code` in a text. Other Markdown stays as written, which is readable too. */
export function prose (text: string): Array<Node | string> {
  return text.split(/`([^`\n]+)`/).map((part, at) => at % 2 === 1 ? h('code', {}, part) : part)
}
