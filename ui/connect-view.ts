import { fillAddress } from './address.js'
import type { Field, RouteView } from './document.js'
import { button, field, form, freshId, h } from './element.js'
import type { Session, Target } from './session.js'
import type { Settings } from './settings.js'
import type { Token } from './token.js'
import { tokenView } from './token-view.js'

type TokenBy = Target['tokenBy']

// Where a browser can put a token.
const ways: Readonly<Record<string, { readonly by: TokenBy, readonly text: string, readonly hint: string }>> = {
  protocol: { by: 'protocol', text: 'as a sub-protocol', hint: 'Sent as sub-protocols: bearer, then the token.' },
  message: { by: 'message', text: 'as the first message', hint: 'Sent as the first message.' },
  query: { by: 'query', text: 'in the query', hint: 'Sent as the parameter access_token of the address.' },
  ticket: { by: 'ticket', text: 'as a ticket', hint: 'A ticket, sent as the parameter of that name: it serves once.' }
}

const states = { idle: 'Not connected', connecting: 'Connecting…', open: 'Connected', closing: 'Closing…' }

/** The address, the token and the button that connects. */
export function connectView (settings: Settings, session: Session, token: Token): HTMLElement {
  const { route } = session
  const isGuarded = route.granted.length > 0
  const parameters = inputsOf(route.parameters)
  const query = inputsOf(route.query)
  const more = h('input', { placeholder: 'name=value', spellcheck: 'false', class: 'mono' })
  const protocol = h('select', {}, h('option', { value: '' }, 'none'), ...route.protocols.map((name) => h('option', {}, name)))
  const origin = h('select', {}, ...[location.origin.replace(/^http/, 'ws'), ...settings.servers].map((origin) => h('option', {}, origin)))
  const by = h('select', {}, ...tokenWays(route).map((way) => h('option', { value: way }, ways[way]!.text)))
  const address = h('code', { class: 'address' })
  const problem = h('p', { class: 'problems', role: 'alert', hidden: true })
  const status = h('p', { class: 'status', role: 'status' })
  const connect = h('button', { type: 'submit', class: 'primary' }, 'Connect')
  const disconnect = button('Disconnect', () => { session.disconnect() })
  const renew = button('Renew the token', () => { session.renew(token.value) })
  renew.title = 'Send this token in the place of the one that the connection has'

  const filled = (): string => fillAddress(route, valuesOf(parameters), valuesOf(query), more.value.trim())
  const update = (): void => { address.textContent = `${origin.value}${settings.base}${filled()}` }
  const submit = (): void => {
    const missing = [...parameters, ...query].find(([{ isRequired }, input]) => isRequired && input.value === '')
    const lacksToken = isGuarded && token.value === '' && !route.tokenFrom.includes('cookie') && route.tokenFrom.length > 0
    problem.textContent = missing !== undefined ? `${missing[0].name} is missing.` : lacksToken ? 'The route is guarded and there is no token. It was tried all the same.' : ''
    problem.hidden = problem.textContent === ''
    missing?.[1].focus()
    if (missing !== undefined) return
    const tokenBy = token.value === '' || !isGuarded || by.value === '' ? 'none' : ways[by.value]!.by
    session.connect({ url: new URL(address.textContent), token: tokenBy === 'none' ? '' : token.value, tokenBy, protocols: protocol.value === '' ? [] : [protocol.value] })
  }
  const id = freshId()
  const controls = [...parameters, ...query].map(([, input]) => input)
  const details = h('details', { class: 'settings', open: true },
    h('summary', {}, isGuarded ? 'Address and token' : 'Address'),
    h('div', { class: 'fields' },
      settings.servers.length === 0 ? undefined : field('Server', origin),
      ...[...parameters, ...query].map(([{ name, description, isRequired }, input]) => field(isRequired ? name : `${name} (optional)`, input, description)),
      route.protocols.length === 0 ? undefined : field('Sub-protocol', protocol),
      field('More query (optional)', more),
      isGuarded && by.options.length > 1 ? field('Token sent', by) : undefined
    ),
    isGuarded ? tokenPart(settings, route, token, id) : undefined,
    route.headers.length === 0 ? undefined : h('p', { class: 'hint' }, `The route asks for headers that a browser cannot send: ${route.headers.join(', ')}.`)
  )
  const element = h('section', { class: 'panel connect', 'aria-label': 'Connection' },
    h('div', { class: 'connect-head' }, h('h2', {}, 'Connection'), status),
    details,
    form(submit, { id }, h('div', { class: 'address-line' }, address), problem, h('div', { class: 'row actions' }, connect, disconnect, renew))
  )
  // They stand outside of the form, as the one that fetches a token cannot be within it.
  for (const control of [...controls, more, protocol, origin, by]) control.setAttribute('form', id)
  element.addEventListener('input', update)
  const show = (): void => {
    const { state } = session
    const hadFocus = element.contains(window.document.activeElement)
    // Who is connected needs the room for messages.
    if (state === 'open') details.open = false
    if (state === 'idle') details.open = true
    status.textContent = states[state]
    element.dataset['state'] = state
    connect.hidden = state !== 'idle'
    disconnect.hidden = state === 'idle'
    renew.hidden = state !== 'open' || !isGuarded || route.isRaw
    // The button that was pressed is gone.
    if (hadFocus) (state === 'idle' ? connect : disconnect).focus()
  }
  session.onState = show
  update()
  show()
  return element
}

function tokenPart (settings: Settings, route: RouteView, token: Token, formId: string): HTMLElement {
  const [first] = tokenWays(route)
  const hint = first === undefined
    ? route.tokenFrom.includes('cookie') ? 'The route reads its token from a cookie, which the browser sends by itself.' : 'The route takes its token from where a browser cannot put it.'
    : ways[first]!.hint
  return tokenView(settings, token, hint, formId)
}

function tokenWays ({ tokenFrom }: RouteView): string[] {
  return Object.keys(ways).filter((way) => tokenFrom.includes(way))
}

function inputsOf (fields: readonly Field[]): Array<readonly [Field, HTMLInputElement | HTMLSelectElement]> {
  return fields.map((field) => {
    const { choices, example, isRequired } = field
    if (choices.length > 0) return [field, h('select', {}, ...(isRequired ? choices : ['', ...choices]).map((choice) => h('option', {}, choice)))]
    const input = h('input', { spellcheck: 'false', autocapitalize: 'none', required: isRequired })
    input.value = example
    return [field, input]
  })
}

function valuesOf (inputs: ReturnType<typeof inputsOf>): Map<string, string> {
  return new Map(inputs.map(([{ name }, { value }]) => [name, value]))
}
