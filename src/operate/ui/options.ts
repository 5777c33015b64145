import type { onRequestHookHandler } from 'fastify'
import { check, checkHooks, checkKeys } from '../../option-checks.js'

/** How the page fetches a token. */
export interface ConsoleLogin {
  /**
   * The path of a route of this app, such as `/login`, or an absolute URL of another server, which
   * must allow the page's origin (CORS).
   */
  readonly url: string
  /** @default 'POST' */
  readonly method?: undefined | 'GET' | 'POST' | 'PUT'
  /**
   * The JSON body to send, with the initial values of the form: `{ name: 'alice', password: '' }`.
   * The page has a field for each string. Not with `GET`.
   */
  readonly body?: undefined | object
  /** The place of the token in the response: a JSON Pointer (RFC 6901). @default '/token' */
  readonly tokenPath?: undefined | string
}

/** The options of `fastify.register(ui, options)`, besides Fastify's own, such as `prefix`. */
export interface ConsoleOptions {
  /**
   * Returns the AsyncAPI document of the routes. Called at each visit.
   *
   * @default () => app.asyncapi()
   */
  readonly document?: undefined | (() => object | Promise<object>)
  /** The heading of the page. @default the title of the document */
  readonly title?: undefined | string
  /** How a token is fetched. Without this option the user pastes one. */
  readonly login?: undefined | ConsoleLogin
  /**
   * Hooks that run before the document and each file of the page are sent, to restrict access.
   *
   * @default everyone has access
   */
  readonly onRequest?: onRequestHookHandler | readonly onRequestHookHandler[]
  /**
   * Further socket servers besides the host of the page: `wss://sockets.example.test`. The page can
   * connect to no other server.
   *
   * @default []
   */
  readonly servers?: undefined | readonly string[]
}

// The last three are Fastify's own.
const keys = [
  'document', 'title', 'login', 'onRequest', 'servers', 'prefix', 'logLevel', 'logSerializers'
]
const ofLogin = ['url', 'method', 'body', 'tokenPath']

/** @throws `FSR_ERR_OPTION_INVALID`. */
export function checkOptions (options: object): asserts options is ConsoleOptions {
  checkKeys(options, 'ui', keys)
  const { document, title, login, onRequest, servers } = options as Record<string, unknown>
  check(
    document === undefined || typeof document === 'function',
    'ui.document',
    'is not a function that returns the document'
  )
  check(title === undefined || typeof title === 'string', 'ui.title', 'is not a string')
  if ('onRequest' in options) checkHooks(onRequest, 'ui.onRequest')
  check(
    servers === undefined || (Array.isArray(servers) && servers.every(isServer)),
    'ui.servers',
    "is not a list such as ['wss://sockets.example.test']: scheme, host and port, without a path"
  )
  if (login !== undefined) checkLogin(login)
}

function checkLogin (login: unknown): void {
  checkKeys(login, 'ui.login', ofLogin)
  const { url, method = 'POST', body, tokenPath } = login as Record<string, unknown>
  check(
    typeof url === 'string' && (/^\/(?!\/)/.test(url) || isServer(originOf(url), 'http')),
    'ui.login.url',
    'is not a path or a URL that begins with http'
  )
  check(
    typeof method === 'string' && ['GET', 'POST', 'PUT'].includes(method),
    'ui.login.method',
    'is not GET, POST or PUT'
  )
  check(
    body === undefined || (typeof body === 'object' && body !== null),
    'ui.login.body',
    'is not an object'
  )
  check(
    body === undefined || method !== 'GET',
    'ui.login.body',
    'cannot be sent with GET: put the values into ui.login.url'
  )
  check(
    tokenPath === undefined || (typeof tokenPath === 'string' && /^(\/[^/]+)+$/.test(tokenPath)),
    'ui.login.tokenPath',
    "is not a JSON Pointer such as '/token'"
  )
}

/** Returns scheme, host and port of a URL; `undefined` for a path. */
export function originOf (url: string): undefined | string {
  return URL.canParse(url) ? new URL(url).origin : undefined
}

// The value is put into a header as it is, so nothing but scheme, host and port may pass.
function isServer (value: unknown, scheme: unknown = 'ws'): boolean {
  return typeof value === 'string' &&
    new RegExp(
      `^${scheme === 'http' ? 'http' : 'ws'}s?://(?:[\\w.-]+|\\[[\\da-f:.]+\\])(?::\\d+)?$`,
      'i'
    ).test(value)
}
