import { DataForm } from './data-form.js'
import { button, field, h } from './element.js'
import { jsonView } from './json-view.js'
import type { ServerRequest, Session } from './session.js'
import type { MessageId } from '../src/protocol/envelope.js'

/** Shows the requests of the server, each with a form for the reply. */
export function requestsView (document: unknown, session: Session): HTMLElement {
  const views = new Map<MessageId, HTMLElement>()
  const list = h('div', { class: 'requests' })
  const element = h(
    'section',
    { class: 'panel asked', 'aria-label': 'Requests of the server', hidden: true },
    h('div', { role: 'status' }, h('h2', {}, 'The server asks')),
    list
  )
  session.onServerRequests = () => {
    for (const [id, view] of views) {
      if (session.serverRequests.has(id)) continue
      view.remove()
      views.delete(id)
    }
    for (const request of session.serverRequests.values()) {
      if (views.has(request.id)) continue
      const view = requestView(document, session, request)
      views.set(request.id, view)
      list.append(view)
    }
    element.hidden = views.size === 0
  }
  return element
}

function requestView (document: unknown, session: Session, request: ServerRequest): HTMLElement {
  const { type, id, entry } = request
  const message = session.route.outbound.find((message) => message.type === type)
  const reason = h('input', { value: 'REFUSED' })
  const refuse = button('Refuse', () => {
    session.refuse(request, reason.value, 'Refused in the console')
  })
  return h('div', { class: 'request' },
    h('h3', {}, h('code', {}, type), h('span', { class: 'entry-id' }, ` #${id}`)),
    jsonView(entry.text),
    new DataForm({
      document,
      schema: message?.reply ?? true,
      label: `Answer to ${type} #${id}`,
      action: 'Answer',
      submit: (json) => { session.answer(request, json) }
    }).element,
    h('details', { class: 'refuse' },
      h('summary', {}, 'Refuse it instead'),
      h('div', { class: 'row' }, field('Code', reason), refuse)
    )
  )
}
