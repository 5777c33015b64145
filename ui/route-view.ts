import { connectView } from './connect-view.js'
import type { RouteView } from './document.js'
import { h, prose } from './element.js'
import { LogView } from './log-view.js'
import { inboundView, outboundView } from './message-view.js'
import { requestsView } from './requests-view.js'
import { binaryView, textView } from './raw-view.js'
import type { Session } from './session.js'
import type { Settings } from './settings.js'
import type { Token } from './token.js'

/** Shows a route: its description, connection, messages and log. */
export function routeView (settings: Settings, session: Session, token: Token): HTMLElement {
  const { route } = session
  const { document } = settings
  return h('div', { class: 'route' },
    h('div', { class: 'route-main' },
      headView(route),
      connectView(settings, session, token),
      ...(route.isRaw ? [rawPanel(session)] : [contractPanel(document, session)])
    ),
    requestsView(document, session),
    new LogView(session.log).element
  )
}

function headView (route: RouteView): HTMLElement {
  const { address, name, description, granted, limits, closes, refusals, isRaw } = route
  return h('section', { class: 'panel route-head', 'aria-labelledby': 'route-title' },
    h('h1', { id: 'route-title', tabindex: -1 }, ...addressParts(address)),
    h('p', { class: 'tags' },
      name === address ? undefined : h('span', { class: 'tag' }, name),
      isRaw ? h('span', { class: 'tag' }, 'no contract') : undefined,
      ...(granted.length === 0
        ? [h('span', { class: 'tag open' }, 'open to everyone')]
        : granted.map((line) => h('span', { class: 'tag lock' }, line)))
    ),
    description === '' ? undefined : h('p', { class: 'about' }, ...prose(description)),
    limits.length + closes.length + refusals.length === 0
      ? undefined
      : h('details', {},
        h('summary', {}, 'Limits, close codes and refusals'),
        h('dl', { class: 'limits' },
          ...limits.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))
        ),
        closes.length === 0
          ? undefined
          : table(
            'Close codes',
            ['Code', 'Reason', 'Connect again'],
            closes.map(({ code, reason, reconnect }) =>
              [String(code), reason, again[`${reconnect}`]])
          ),
        refusals.length === 0
          ? undefined
          : table('Refusals over HTTP', ['Status', 'Code'], refusals)
      )
  )
}

/** Marks the parameters of an address, and adds places to break the line. */
function addressParts (address: string): Array<Node | string> {
  return address.split(/(\{[^}]+\}|\/)/).filter((part) => part !== '').flatMap((part) =>
    part === '/'
      ? [part, h('wbr')]
      : part.startsWith('{')
        ? [h('span', { class: 'parameter' }, part)]
        : [part]
  )
}

const again = { true: 'at once', false: 'no', jitter: 'after a random delay' }

function table (
  title: string,
  columns: readonly string[],
  rows: ReadonlyArray<readonly string[]>
): HTMLElement {
  return h('div', { class: 'table', tabindex: 0, role: 'region', 'aria-label': title },
    h('table', {},
      h('caption', {}, title),
      h('thead', {}, h('tr', {}, ...columns.map((text) => h('th', { scope: 'col' }, text)))),
      h('tbody', {}, ...rows.map((cells) => h('tr', {}, ...cells.map((text) => h('td', {}, text)))))
    )
  )
}

function contractPanel (document: unknown, session: Session): HTMLElement {
  const { inbound, outbound } = session.route
  return h('section', { class: 'panel messages', 'aria-label': 'Messages of the route' },
    h('h2', {}, 'What you can send'),
    inbound.length === 0 ? h('p', { class: 'hint' }, 'Nothing: this route only sends.') : undefined,
    ...inbound.map((message, at) => inboundView(document, session, message, at === 0)),
    h('details', { class: 'message anything' },
      h('summary', {},
        h('span', { class: 'badge' }, 'any'),
        h('span', { class: 'message-summary' }, 'Any text, to see how the server handles it')
      ),
      h('div', { class: 'message-body' }, textView(session))
    ),
    outbound.length === 0 ? undefined : h('h2', {}, 'What you can get'),
    ...outbound.map((message) => outboundView(document, message))
  )
}

function rawPanel (session: Session): HTMLElement {
  return h('section', { class: 'panel messages', 'aria-label': 'Messages of the route' },
    h('h2', {}, 'Send'),
    h('p', { class: 'hint' },
      'This route has no contract: its controller gets messages as they are.'
    ),
    textView(session),
    binaryView(session)
  )
}
