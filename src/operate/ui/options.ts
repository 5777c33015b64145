import type { onRequestHookHandler } from 'fastify'
import { errors } from '../../errors.js'
import { strayIn } from '../../members.js'
import { suggest } from '../../suggestion.js'
import { check, checkHooks } from '../../options/option-checks.js'

/** How the page fetches a token. */
export interface ConsoleLogin {
  /** The path of the route in this app, such as `/login`, or the address of one elsewhere, which has to let the page in (CORS). */
  readonly url: string
  /** @default 'POST' */
  readonly method?: undefined | 'GET' | 'POST' | 'PUT'
  /** What is sent, as JSON, with what the form begins with: `{ name: 'alice', password: '' }`. The page has a field for each text. Not with `GET`. */
  readonly body?: undefined | object
  /** Where the token is in the answer: a JSON Pointer (RFC 6901). @default '/token' */
  readonly tokenPath?: undefined | string
}

/** The options of `fastify.register(ui, options)`, besides Fastify's own, such as `prefix`. */
export interface ConsoleOptions {
  /**
   * The AsyncAPI document of the routes; asked for at each visit.
   *
   * @default () => app.asyncapi()
   */
  readonly document?: undefined | (() => object | Promise<object>)
  /** The heading of the page. @default the title of the document */
  readonly title?: undefined | string
  /** How a token is fetched. Without it one can be typed in. */
  readonly login?: undefined | ConsoleLogin
  /** Who may see the page: hooks that run before each of its files is answered, and the document. @default everyone */
  readonly onRequest?: onRequestHookHandler | readonly onRequestHookHandler[]
  /** Where sockets are besides the host of the page: `wss://sockets.example.test`. The page may connect to nothing else. @default [] */
  readonly servers?: undefined | readonly string[]
}

// What Fastify itself takes.
const own = ['prefix', 'logLevel', 'logSerializers']
const keys = ['document', 'title', 'login', 'onRequest', 'servers']
const ofLogin = ['url', 'method', 'body', 'tokenPath']

/** @throws `FSR_ERR_OPTION_INVALID`. */
export function checkOptions (options: object): asserts options is ConsoleOptions {
  checkKeys(options, 'ui', keys, own)
  const { document, title, login, onRequest, servers } = options as Record<string, unknown>
  check(document === undefined || typeof document === 'function', 'ui.document', 'is not a function that answers the document')
  check(title === undefined || typeof title === 'string', 'ui.title', 'is not a text')
  if ('onRequest' in options) checkHooks(onRequest, 'ui.onRequest')
  check(servers === undefined || (Array.isArray(servers) && servers.every(isServer)), 'ui.servers', "is not a list such as ['wss://sockets.example.test']: scheme, host and port, and no path")
  if (login !== undefined) checkLogin(login)
}

function checkLogin (login: unknown): void {
  check(typeof login === 'object' && login !== null, 'ui.login', `is not { ${ofLogin.join(', ')} }`)
  checkKeys(login, 'ui.login', ofLogin)
  const { url, method = 'POST', body, tokenPath } = login as Record<string, unknown>
  check(typeof url === 'string' && (/^\/(?!\/)/.test(url) || isServer(originOf(url), 'http')), 'ui.login.url', 'is neither a path nor an address that begins with http')
  check(typeof method === 'string' && ['GET', 'POST', 'PUT'].includes(method), 'ui.login.method', 'is not GET, POST or PUT')
  check(body === undefined || (typeof body === 'object' && body !== null), 'ui.login.body', 'is not an object')
  check(body === undefined || method !== 'GET', 'ui.login.body', 'is not sent with GET: say what the login needs in its url')
  check(tokenPath === undefined || (typeof tokenPath === 'string' && /^(\/[^/]+)+$/.test(tokenPath)), 'ui.login.tokenPath', "is not a JSON Pointer such as '/token'")
}

/** Scheme, host and port of an address; `undefined` if it has none, as a path. */
export function originOf (url: string): undefined | string {
  return URL.canParse(url) ? new URL(url).origin : undefined
}

// The whole of it gets into a header: nothing else may be in there.
function isServer (value: unknown, scheme: unknown = 'ws'): boolean {
  return typeof value === 'string' && new RegExp(`^${scheme === 'http' ? 'http' : 'ws'}s?://(?:[\\w.-]+|\\[[\\da-f:.]+\\])(?::\\d+)?$`, 'i').test(value)
}

function checkKeys (given: object, name: string, keys: readonly string[], more: readonly string[] = []): void {
  const unknown = strayIn(given, [...keys, ...more])
  if (unknown !== undefined) throw new errors.OptionInvalid(name, `has '${unknown}', which is unknown${suggest(unknown, keys, `it is { ${keys.join(', ')} }`)}`)
}
