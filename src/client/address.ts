import { ClientError, clientErrors } from './errors.js'

/** An address, or a function that makes one before each attempt to connect: with a new ticket, for example. */
export type Address = string | URL | (() => string | URL | Promise<string | URL>)

/**
 * Makes an address absolute, with the scheme of WebSockets: browsers of before 2024 know neither relative addresses nor `http:` here.
 * By text: `URL` of React Native has no setters, and adds a slash to a path.
 *
 * @throws TypeError for an address that is none, or of another scheme; `FSR_CLIENT_NO_PAGE` for a relative one where there is no page.
 */
export function absolute (address: string | URL): string {
  // Such as a variable of the environment that is not set: made a text it would be a path of the page.
  if (!address) throw new TypeError('There is no address')
  const { location } = globalThis as { readonly location?: { readonly href: string } }
  // Of a URL its text is tested.
  const isRelative = !/^[a-z][a-z\d+.-]*:/i.test(address as string)
  if (isRelative && location === undefined) {
    throw new ClientError(clientErrors.noPage, 'There is no page here: give an absolute address')
  }
  const { href, protocol } = new URL(address, location?.href)
  const url = isRelative ? href : String(address)
  if (!/^(ws|http)s?:/i.test(url)) throw new TypeError(`${protocol} is not ws:, wss:, http: or https:`)
  return url.replace(/^http/i, 'ws')
}

/** The address as a text for people: without its query, in which a ticket or a token may be, and without user and password. */
export function printable (url: string): string {
  return url.replace(/[?#].*$/, '').replace(/\/\/[^/]*@/, '//')
}
