import { payloadOf } from '../src/protocol/jwt.js'
import { createEditor } from './editor.js'
import { button, field, form, h } from './element.js'
import { isObject } from './schema.js'
import type { Login, Settings } from './settings.js'
import { logIn, type Token } from './token.js'

/** Creates a field for the token, and a form that fetches one if the app has configured a login. */
export function tokenView (
  settings: Settings,
  token: Token,
  hint: Node,
  formId: string
): HTMLElement {
  const input = h('input', {
    type: 'password',
    autocomplete: 'off',
    spellcheck: 'false',
    class: 'mono',
    form: formId
  })
  const about = h('p', { class: 'claims', role: 'status' })
  const show = button('Show', () => {
    const isHidden = input.type === 'password'
    input.type = isHidden ? 'text' : 'password'
    show.textContent = isHidden ? 'Hide' : 'Show'
  })
  const update = (): void => {
    if (input.value.trim() !== token.value) input.value = token.value
    about.textContent = token.value === '' ? '' : claimsText(token.value)
  }
  input.addEventListener('input', () => { token.value = input.value })
  token.onChange(update)
  update()
  const typed = field('Token', input, hint)
  const row = h('div', { class: 'row together' })
  input.replaceWith(row)
  row.append(input, show)
  return h('div', { class: 'token' },
    typed,
    about,
    settings.login === undefined ? undefined : loginView(settings.login, settings.base, token)
  )
}

function claimsText (token: string): string {
  const claims = payloadOf(token)
  if (!isObject(claims)) return 'This is not a JWT.'
  const { sub, roles, exp } = claims
  const said = [
    ...(typeof sub === 'string' ? [sub] : []),
    ...(Array.isArray(roles) ? [roles.join(', ')] : typeof roles === 'string' ? [roles] : []),
    ...(typeof exp === 'number' ? [expiryText(exp)] : ['does not expire'])
  ]
  return `The token says: ${said.join(' · ')}`
}

function expiryText (exp: number): string {
  const seconds = Math.round(exp - Date.now() / 1_000)
  if (seconds <= 0) return 'has expired'
  return seconds < 120
    ? `expires in ${seconds} s`
    : seconds < 7_200
      ? `expires in ${Math.round(seconds / 60)} min`
      : `expires ${new Date(exp * 1_000).toLocaleString()}`
}

function loginView (login: Login, base: string, token: Token): HTMLElement {
  const told = h('p', { class: 'told', role: 'alert' })
  const isFlat = isObject(login.body) &&
    Object.values(login.body).every((value) => typeof value === 'string')
  const inputs = isFlat
    ? Object.entries(login.body as Record<string, string>).map(([name, value]) =>
      inputOf(name, value)
    )
    : []
  const submit = async (): Promise<void> => {
    told.textContent = ''
    try {
      const body: unknown = editor === undefined
        ? Object.fromEntries(inputs.map(({ name, value }) => [name, value]))
        : JSON.parse(editor.text)
      token.value = await logIn(login, base, body)
      // The claims of the token are shown above.
      details.open = false
      summary.focus()
    } catch (error) {
      told.textContent = (error as Error).message
    }
  }
  const editor = isFlat || login.body === undefined
    ? undefined
    : createEditor({
      label: 'Body of the login',
      text: JSON.stringify(login.body, null, 2),
      check: () => [],
      onSubmit: () => { submit() }
    })
  const summary = h('summary', {}, 'Fetch a token')
  const details = h('details', { class: 'login' }, summary,
    form(() => { submit() }, {},
      h('p', { class: 'hint' }, 'From ', h('code', {}, `${login.method} ${login.url}`)),
      editor?.element,
      h('div', { class: 'fields' }, ...inputs.map((input) => field(input.name, input))),
      h('div', { class: 'row' }, h('button', { type: 'submit' }, 'Fetch token'), told)
    )
  )
  return details
}

function inputOf (name: string, value: string): HTMLInputElement {
  const isSecret = /pass|secret|pin/i.test(name)
  const input = h('input', {
    name,
    type: isSecret ? 'password' : 'text',
    autocomplete: isSecret ? 'current-password' : 'username',
    autocapitalize: 'none',
    spellcheck: 'false'
  })
  input.value = value
  return input
}
