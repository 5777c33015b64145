import { ClientError, clientErrors } from './errors.js'

/**
 * The address of a route, or a function that returns one before each attempt to connect, such as
 * one with a new ticket.
 */
export type Address = string | URL | (() => string | URL | Promise<string | URL>)

/**
 * Makes an address absolute, with a WebSocket scheme: browsers before 2024 accept neither relative
 * addresses nor `http:` here. Works on the text, as `URL` of React Native has no setters, and adds
 * a slash to a path.
 *
 * @throws TypeError for an invalid address, or for another scheme; `FSR_CLIENT_NO_PAGE` for a
 * relative address without a page.
 */
export function absolute (address: string | URL): string {
  // An environment variable that is not set, for example: as text it would be a path of the page.
  if (!address) throw new TypeError('There is no address')
  const { location } = globalThis as { readonly location?: { readonly href: string } }
  // A `URL` is tested as its text.
  const isRelative = !/^[a-z][a-z\d+.-]*:/i.test(address as string)
  if (isRelative && location === undefined) {
    throw new ClientError(
      clientErrors.noPage,
      'There is no page: give an absolute address'
    )
  }
  const { href, protocol } = new URL(address, location?.href)
  const url = isRelative ? href : String(address)
  if (!/^(ws|http)s?:/i.test(url)) {
    throw new TypeError(`${protocol} is not ws:, wss:, http: or https:`)
  }
  return url.replace(/^http/i, 'ws')
}

/**
 * Returns the address for error texts: without the query, which may contain a ticket or a token,
 * and without user and password.
 */
export function printable (url: string): string {
  return url.replace(/[?#].*$/, '').replace(/\/\/[^/]*@/, '//')
}
