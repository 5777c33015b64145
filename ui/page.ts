import { readDocument, type RouteView } from './document.js'
import { h } from './element.js'
import { routeView } from './route-view.js'
import { Session } from './session.js'
import { loadSettings, type Settings } from './settings.js'
import { Token } from './token.js'

const find = (id: string): HTMLElement => document.getElementById(id)!

async function start (): Promise<void> {
  let settings: Settings
  try {
    settings = await loadSettings()
  } catch (error) {
    find('main').replaceChildren(
      h('div', { class: 'panel', role: 'alert' },
        h('h1', {}, 'The document of the routes could not be loaded'),
        h('p', {}, (error as Error).message)
      )
    )
    return
  }
  const { title, version, description, routes } = readDocument(settings.document)
  document.title = settings.title || title || 'Sockets'
  find('title').textContent = document.title
  find('version').textContent = version
  find('about').textContent = description
  if (routes.length === 0) {
    find('main').replaceChildren(
      h('div', { class: 'panel' },
        h('h1', {}, 'There are no socket routes'),
        h('p', {}, 'Routes registered by app.socketRoute() appear here.')
      )
    )
    return
  }
  showRoutes(settings, routes)
}

/**
 * Shows the list of routes and the chosen route. Each route keeps its connection and its log while
 * another one is shown.
 */
function showRoutes (settings: Settings, routes: readonly RouteView[]): void {
  const token = new Token()
  const views = new Map<RouteView, HTMLElement>()
  const links = new Map(routes.map((route) => [route, linkTo(route)]))

  const choose = (): void => {
    const route = routes.find((route) => location.hash === hashOf(route)) ?? routes[0]!
    let view = views.get(route)
    if (view === undefined) {
      const session = new Session(route)
      view = routeView(settings, session, token)
      // Both the panel and the list show the state of the connection.
      const show = session.onState
      session.onState = () => {
        show?.()
        links.get(route)!.dataset['state'] = session.state
      }
      views.set(route, view)
    }
    for (const [other, link] of links) {
      if (other === route) link.setAttribute('aria-current', 'page')
      else link.removeAttribute('aria-current')
    }
    find('main').replaceChildren(view)
    document.title = `${route.address} · ${find('title').textContent}`
  }

  const items = new Map(routes.map((route) => [route, h('li', {}, links.get(route)!)]))
  find('routes').replaceChildren(...items.values())
  const search = find('search') as HTMLInputElement
  search.addEventListener('input', () => {
    let count = 0
    for (const [route, item] of items) {
      item.hidden = !textOf(route).includes(search.value.trim().toLowerCase())
      if (!item.hidden) count++
    }
    find('found').textContent = count === routes.length ? '' : `${count} of ${routes.length} routes`
  })
  window.addEventListener('hashchange', () => {
    choose()
    document.getElementById('route-title')?.focus()
  })
  choose()
}

function linkTo (route: RouteView): HTMLAnchorElement {
  const { address, name, granted } = route
  return h('a', { href: hashOf(route) },
    h('span', { class: 'route-path' }, address),
    h('span', { class: 'route-name' },
      [...(name === address ? [] : [name]), granted.length === 0 ? 'open' : granted.join(', and ')]
        .join(' · ')
    )
  )
}

// A channel's key only tells routes apart.
function hashOf ({ key }: RouteView): string {
  return `#${encodeURIComponent(key)}`
}

function textOf ({ address, name, inbound, outbound, granted }: RouteView): string {
  return [address, name, ...granted, ...[...inbound, ...outbound].map(({ type }) => type)].join(' ')
    .toLowerCase()
}

start()
