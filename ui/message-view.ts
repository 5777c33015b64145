import { DataForm } from './data-form.js'
import type { MessageView } from './document.js'
import { freshId, h, prose } from './element.js'
import { schemaView } from './schema-view.js'
import type { Schema } from './schema.js'
import type { Session } from './session.js'

/** Shows a message that clients may send, with a form that sends it. */
export function inboundView (
  document: unknown,
  session: Session,
  message: MessageView,
  isOpen: boolean
): HTMLElement {
  return messageView(
    document,
    message,
    message.item === undefined ? 'send' : 'stream',
    isOpen,
    () => [sendForm(document, session, message)]
  )
}

/** Shows a message that the server may send. */
export function outboundView (document: unknown, message: MessageView): HTMLElement {
  return messageView(
    document,
    message,
    message.reply === undefined ? 'receive' : 'asks',
    false,
    () => []
  )
}

function sendForm (document: unknown, session: Session, message: MessageView): HTMLElement {
  // A stream requires an id, which its items refer to.
  const isStream = message.item !== undefined
  const id = freshId()
  const wants = h('input', { type: 'checkbox', id, disabled: isStream })
  wants.checked = isStream || message.reply !== undefined
  const toggle = h('span', { class: 'check' },
    wants,
    h('label', { for: id }, isStream ? 'with an id, as the reply is a stream' : 'ask for a reply')
  )
  return new DataForm({
    document,
    schema: message.data,
    label: `Data of ${message.type}`,
    action: 'Send',
    beside: [toggle],
    submit: (json) => { session.send(message.type, json, wants.checked) }
  }).element
}

function messageView (
  document: unknown,
  message: MessageView,
  badge: string,
  isOpen: boolean,
  form: () => HTMLElement[]
): HTMLElement {
  const { type, summary, description, granted, data, reply, item } = message
  const body = h('div', { class: 'message-body' })
  const details = h('details', { class: `message ${badge}` },
    h('summary', {},
      h('span', { class: 'badge' }, badge),
      h('code', { class: 'message-type' }, type),
      h('span', { class: 'message-summary' }, summary),
      granted === '' ? undefined : h('span', { class: 'tag lock' }, granted)
    ),
    body
  )
  // The editor is created when the message is opened.
  details.addEventListener('toggle', () => {
    if (!details.open || body.childElementCount > 0) return
    const schemas: Array<readonly [string, undefined | Schema]> = [
      ['Data', data],
      ['Reply', reply],
      ['Each item of the stream', item]
    ]
    body.append(
      ...(description === '' ? [] : [h('p', { class: 'about' }, ...prose(description))]),
      ...(data === undefined ? [h('p', { class: 'hint' }, 'This message has no data.')] : []),
      ...form(),
      h('div', { class: 'schemas' },
        ...schemas.filter(([, schema]) => schema !== undefined).map(([title, schema]) =>
          h('div', {}, h('h3', {}, title), schemaView(document, schema!))
        )
      )
    )
  })
  details.open = isOpen
  return details
}
