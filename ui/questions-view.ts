import { DataForm } from './data-form.js'
import { button, field, h } from './element.js'
import { jsonView } from './json-view.js'
import type { Question, Session } from './session.js'
import type { MessageId } from '../src/protocol/envelope.js'

/** Shows the requests of the server, each with a form for the reply. */
export function questionsView (document: unknown, session: Session): HTMLElement {
  const views = new Map<MessageId, HTMLElement>()
  const list = h('div', { class: 'questions' })
  const element = h(
    'section',
    { class: 'panel asked', 'aria-label': 'Questions of the server', hidden: true },
    h('div', { role: 'status' }, h('h2', {}, 'The server asks')),
    list
  )
  session.onQuestions = () => {
    for (const [id, view] of views) {
      if (session.questions.has(id)) continue
      view.remove()
      views.delete(id)
    }
    for (const question of session.questions.values()) {
      if (views.has(question.id)) continue
      const view = questionView(document, session, question)
      views.set(question.id, view)
      list.append(view)
    }
    element.hidden = views.size === 0
  }
  return element
}

function questionView (document: unknown, session: Session, question: Question): HTMLElement {
  const { type, id, entry } = question
  const message = session.route.outbound.find((message) => message.type === type)
  const reason = h('input', { value: 'REFUSED' })
  const refuse = button('Refuse', () => {
    session.refuse(question, reason.value, 'Refused in the console')
  })
  return h('div', { class: 'question' },
    h('h3', {}, h('code', {}, type), h('span', { class: 'entry-id' }, ` #${id}`)),
    jsonView(entry.text),
    new DataForm({
      document,
      schema: message?.reply ?? true,
      label: `Answer to ${type} #${id}`,
      action: 'Answer',
      submit: (json) => { session.answer(question, json) }
    }).element,
    h('details', { class: 'refuse' },
      h('summary', {}, 'Refuse it instead'),
      h('div', { class: 'row' }, field('Code', reason), refuse)
    )
  )
}
