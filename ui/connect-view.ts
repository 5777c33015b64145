import { button, form, freshId, h } from './element.js'
import type { Session } from './session.js'
import type { Settings } from './settings.js'
import { TargetForm } from './target-form.js'
import type { Token } from './token.js'

const states = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  open: 'Connected',
  closing: 'Closing…'
}

/** Creates the form with the address, the token and the button that connects. */
export function connectView (settings: Settings, session: Session, token: Token): HTMLElement {
  const id = freshId()
  const target = new TargetForm(settings, session.route, token, id)
  const problem = h('p', { class: 'problems', role: 'alert', hidden: true })
  const status = h('p', { class: 'status', role: 'status' })
  const connect = h('button', { type: 'submit', class: 'primary' }, 'Connect')
  const disconnect = button('Disconnect', () => { session.disconnect() })
  const renew = button('Renew the token', () => { session.renew(token.value) })
  renew.title = 'Replace the token of this connection by this one'
  const submit = (): void => {
    const reading = target.read()
    problem.textContent = reading.problem
    problem.hidden = reading.problem === ''
    if (reading.target !== undefined) session.connect(reading.target)
  }
  const element = h('section', { class: 'panel connect', 'aria-label': 'Connection' },
    h('div', { class: 'connect-head' }, h('h2', {}, 'Connection'), status),
    target.element,
    form(
      submit,
      { id },
      h('div', { class: 'address-line' }, target.address),
      problem,
      h('div', { class: 'row actions' }, connect, disconnect, renew)
    )
  )
  // The problem may have been the missing token.
  token.onChange(() => { problem.hidden = true })
  session.onState = () => {
    const { state } = session
    const focused = window.document.activeElement
    // While connected, the space is needed for messages.
    if (state === 'open') target.element.open = false
    if (state === 'idle') target.element.open = true
    status.textContent = states[state]
    element.dataset['state'] = state
    connect.hidden = state !== 'idle'
    disconnect.hidden = state === 'idle'
    renew.hidden = state !== 'open' || !session.route.canRenew
    // The focused element may be hidden now: the button that was pressed, or a field in which Enter
    // was.
    const isGone =
      [connect, disconnect, renew].some((button) => button === focused && button.hidden) ||
      (!target.element.open && target.element.contains(focused))
    if (isGone) (state === 'idle' ? connect : disconnect).focus()
  }
  session.onState()
  return element
}
