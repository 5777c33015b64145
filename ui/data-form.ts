import { button, form, h } from './element.js'
import { createEditor, type Editor } from './editor.js'
import { exampleOf } from './example.js'
import { createCheck, type Problem, type Schema } from './schema.js'

const NOT_JSON = 'This is not JSON:'

/** The options of a data form. */
export interface DataFormOptions {
  readonly document: unknown
  /** The schema of the data. Without one there is no editor. */
  readonly schema: undefined | Schema
  readonly label: string
  readonly action: string
  /** Elements beside the button. */
  readonly beside?: ReadonlyArray<HTMLElement>
  /** Called with the JSON as written; `undefined` without a schema. */
  submit (json: undefined | string): void
}

/** An editor that starts with an example. It submits only valid data, unless the user insists. */
export class DataForm {
  readonly element: HTMLFormElement
  readonly #options: DataFormOptions
  readonly #editor: undefined | Editor
  readonly #check: (value: unknown) => Problem[]
  readonly #problems = h('div', { class: 'problems', role: 'alert', hidden: true })
  readonly #anyway: HTMLButtonElement

  constructor (options: DataFormOptions) {
    const { document, schema, label, action, beside = [] } = options
    this.#options = options
    this.#check = schema === undefined ? () => [] : createCheck(document, schema)
    const example = schema === undefined ? '' : JSON.stringify(exampleOf(document, schema), null, 2)
    if (schema !== undefined) {
      this.#editor = createEditor({
        label,
        text: example,
        check: (text) => this.#problemsOf(text),
        onSubmit: () => { this.#submit() }
      })
    }
    this.#anyway = button(`${action} anyway`, () => {
      this.#tell([])
      options.submit(this.#editor?.text)
    }, { class: 'quiet' })
    this.#anyway.hidden = true
    const editor = this.#editor
    const tools = editor === undefined
      ? undefined
      : h('div', { class: 'row editor-tools' },
        h('span', { class: 'label' }, label),
        button('Example', () => {
          editor.text = example
          this.#tell([])
        }, { class: 'link', label: `Put the example into ${label}` }),
        button('Format', () => { this.#format() }, { class: 'link', label: `Format ${label}` })
      )
    this.element = form(
      () => { this.#submit() },
      { class: 'data-form' },
      tools,
      editor?.element,
      this.#problems,
      h('div', { class: 'row actions' },
        h('button', { type: 'submit', class: 'primary' }, action),
        this.#anyway,
        ...beside
      )
    )
  }

  #submit (): void {
    const problems = this.#editor === undefined ? [] : this.#problemsOf(this.#editor.text)
    this.#tell(problems)
    if (problems.length > 0) this.#editor?.focus()
    else this.#options.submit(this.#editor?.text)
  }

  #problemsOf (text: string): Problem[] {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      return [{ path: '', message: `${NOT_JSON} ${(error as Error).message}` }]
    }
    return this.#check(value)
  }

  #tell (problems: readonly Problem[]): void {
    this.#problems.hidden = this.#anyway.hidden = problems.length === 0
    this.#problems.replaceChildren(
      h('strong', {}, headingOf(problems)),
      h('ul', {},
        ...problems.slice(0, 20).map(({ path, message }) =>
          h('li', {},
            path === '' ? undefined : h('code', {}, path),
            path === '' ? '' : ' ',
            message
          )
        )
      )
    )
  }

  #format (): void {
    const { text } = this.#editor!
    try {
      this.#editor!.text = JSON.stringify(JSON.parse(text), null, 2)
    } catch {
      this.#submit()
    }
  }
}

function headingOf (problems: readonly Problem[]): string {
  if (problems[0]?.message.startsWith(NOT_JSON) === true) return 'This cannot be checked yet:'
  return problems.length === 1
    ? 'This does not match the schema:'
    : `${problems.length} values do not match the schema:`
}
