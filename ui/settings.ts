import { isObject } from './schema.js'

/** How the page fetches a token. */
export interface Login {
  readonly url: string
  readonly method: string
  readonly body: unknown
  readonly tokenPath: string
}

/** The settings of the page, which the server sends. */
export interface Settings {
  readonly title: string
  /**
   * The base of the app's addresses. Behind a proxy that adds a path prefix this is not the root of
   * the host.
   */
  readonly base: string
  /** Further socket servers: `wss://sockets.example.test`. */
  readonly servers: readonly string[]
  readonly login: undefined | Login
  readonly document: unknown
}

/** @throws with a message for the page. */
export async function loadSettings (): Promise<Settings> {
  const response = await fetch('console.json', { cache: 'no-store' })
  const body: unknown = await response.json().catch(() => undefined)
  if (!response.ok || !isObject(body)) {
    const message = isObject(body) && typeof body['message'] === 'string'
      ? `: ${body['message']}`
      : ''
    throw new Error(`The server answered ${response.status}${message}`)
  }
  const { title, prefix, servers, login, document } = body as {
    title: string
    prefix: string
    servers: string[]
    login?: Login
    document: unknown
  }
  const here = location.pathname.replace(/\/[^/]*$/, '')
  return {
    title,
    base: here.endsWith(prefix) ? here.slice(0, here.length - prefix.length) : '',
    servers,
    login,
    document
  }
}
