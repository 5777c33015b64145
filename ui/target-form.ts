import { fillAddress } from './address.js'
import type { Field, RouteView } from './document.js'
import { field, h } from './element.js'
import type { Target } from './session.js'
import type { Settings } from './settings.js'
import type { Token } from './token.js'
import { tokenView } from './token-view.js'

type Input = HTMLInputElement | HTMLSelectElement

// The ways in which a browser can send a token.
const ways: Readonly<
  Record<string, { readonly by: Target['tokenBy'], readonly text: string, readonly hint: string }>
> = {
  protocol: {
    by: 'protocol',
    text: 'as a sub-protocol',
    hint: 'Sent as sub-protocols: bearer, then the token.'
  },
  message: { by: 'message', text: 'as the first message', hint: 'Sent as the first message.' },
  query: {
    by: 'query',
    text: 'in the query',
    hint: 'Sent as the parameter access_token of the address.'
  },
  ticket: {
    by: 'ticket',
    text: 'as a ticket',
    hint: 'A ticket, sent as the parameter ticket. It is valid once.'
  }
}

/** The target of the connection, if all required fields are filled in, and a problem to show. */
export interface Reading {
  readonly target?: undefined | Target
  readonly problem: string
}

/** The fields of a connection: its address, its sub-protocol and its token. */
export class TargetForm {
  readonly element: HTMLDetailsElement
  /** The address, as far as filled in. */
  readonly address = h('code', { class: 'address' })
  readonly #settings: Settings
  readonly #route: RouteView
  readonly #token: Token
  readonly #fields: ReadonlyArray<readonly [Field, Input]>
  readonly #parameters: ReadonlyArray<readonly [Field, Input]>
  readonly #query: ReadonlyArray<readonly [Field, Input]>
  readonly #more = h('input', { placeholder: 'name=value', spellcheck: 'false', class: 'mono' })
  readonly #protocol: HTMLSelectElement
  readonly #origin: HTMLSelectElement
  readonly #by: HTMLSelectElement
  readonly #hint = h('span')

  /**
   * @param formId the id of the form that the fields belong to. They are outside of it, as the form
   * that fetches a token cannot be nested.
   */
  constructor (settings: Settings, route: RouteView, token: Token, formId: string) {
    this.#settings = settings
    this.#route = route
    this.#token = token
    this.#parameters = inputsOf(route.parameters)
    this.#query = inputsOf(route.query)
    this.#fields = [...this.#parameters, ...this.#query]
    this.#protocol = h('select', {},
      h('option', { value: '' }, 'none'),
      ...route.protocols.map((name) => h('option', {}, name))
    )
    this.#origin = h('select', {},
      ...[location.origin.replace(/^http/, 'ws'), ...settings.servers].map((origin) =>
        h('option', {}, origin)
      )
    )
    this.#by = h('select', {},
      ...Object.keys(ways).filter((way) => route.tokenFrom.includes(way)).map((way) =>
        h('option', { value: way }, ways[way]!.text)
      )
    )
    for (
      const input of [
        ...this.#fields.map(([, input]) => input),
        this.#more,
        this.#protocol,
        this.#origin,
        this.#by
      ]
    ) input.setAttribute('form', formId)
    this.element = this.#draw(formId)
    this.element.addEventListener('input', () => { this.#update() })
    this.#update()
  }

  /** Reads the fields, and focuses a required one that is empty. */
  read (): Reading {
    const token = this.#token.value
    const [field, input] =
      this.#fields.find(([{ isRequired }, input]) => isRequired && input.value === '') ?? []
    input?.focus()
    if (field !== undefined) return { problem: `${field.name} is missing.` }
    const { tokenFrom } = this.#route
    const tokenBy = token === '' || !this.#isGuarded || this.#by.value === ''
      ? 'none'
      : ways[this.#by.value]!.by
    const lacksToken = this.#isGuarded && token === '' && !tokenFrom.includes('cookie') &&
      tokenFrom.length > 0
    return {
      target: {
        url: new URL(this.address.textContent),
        token: tokenBy === 'none' ? '' : token,
        tokenBy,
        protocols: this.#protocol.value === '' ? [] : [this.#protocol.value]
      },
      problem: lacksToken
        ? 'The route is guarded and there is no token. The page has tried to connect anyway.'
        : ''
    }
  }

  get #isGuarded (): boolean {
    return this.#route.granted.length > 0
  }

  #draw (formId: string): HTMLDetailsElement {
    const { protocols, headers } = this.#route
    return h('details', { class: 'settings', open: true },
      h('summary', {}, this.#isGuarded ? 'Address and token' : 'Address'),
      h('div', { class: 'fields' },
        this.#settings.servers.length === 0 ? undefined : field('Server', this.#origin),
        ...this.#fields.map(([{ name, description, isRequired }, input]) =>
          field(isRequired ? name : `${name} (optional)`, input, description)
        ),
        protocols.length === 0 ? undefined : field('Sub-protocol', this.#protocol),
        field('More query (optional)', this.#more),
        this.#isGuarded && this.#by.options.length > 1 ? field('Token sent', this.#by) : undefined
      ),
      this.#isGuarded ? tokenView(this.#settings, this.#token, this.#hint, formId) : undefined,
      headers.length === 0
        ? undefined
        : h('p', { class: 'hint' },
          `The route requires headers that a browser cannot send: ${headers.join(', ')}.`
        )
    )
  }

  #update (): void {
    const filled = fillAddress(
      this.#route,
      valuesOf(this.#parameters),
      valuesOf(this.#query),
      this.#more.value.trim()
    )
    this.address.textContent = `${this.#origin.value}${this.#settings.base}${filled}`
    this.#hint.textContent = hintOf(this.#by.value, this.#route)
  }
}

function hintOf (way: string, { tokenFrom }: RouteView): string {
  const chosen = ways[way]
  if (chosen !== undefined) return chosen.hint
  return tokenFrom.includes('cookie')
    ? 'The route reads its token from a cookie, which the browser sends by itself.'
    : 'The route reads its token from a place that a browser cannot set.'
}

function inputsOf (fields: readonly Field[]): Array<readonly [Field, Input]> {
  return fields.map((field) => {
    const { choices, example, isRequired } = field
    if (choices.length > 0) {
      return [
        field,
        h('select', {},
          ...(isRequired ? choices : ['', ...choices]).map((choice) => h('option', {}, choice))
        )
      ]
    }
    const input = h('input', { spellcheck: 'false', autocapitalize: 'none', required: isRequired })
    input.value = example
    return [field, input]
  })
}

function valuesOf (inputs: ReadonlyArray<readonly [Field, Input]>): Map<string, string> {
  return new Map(inputs.map(([{ name }, { value }]) => [name, value]))
}
