import { valueAt } from '../src/operate/asyncapi/json-pointer.js'
import type { Login } from './settings.js'

/** The token of all routes. It is kept in this page only, and lost with it. */
export class Token {
  #value = ''
  readonly #listeners: Array<() => void> = []

  get value (): string {
    return this.#value
  }

  set value (value: string) {
    this.#value = value.trim()
    for (const listener of this.#listeners) listener()
  }

  onChange (listener: () => void): void {
    this.#listeners.push(listener)
  }
}

/**
 * Fetches a token.
 *
 * @throws with a message for the page.
 */
export async function logIn (
  { url, method, tokenPath }: Login,
  base: string,
  body: unknown
): Promise<string> {
  let response: Response
  try {
    response = await fetch(url.startsWith('/') ? `${base}${url}` : url, {
      method,
      credentials: 'same-origin',
      ...(method === 'GET'
        ? undefined
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    })
  } catch {
    throw new Error('The login is unreachable, or does not allow requests from this page.')
  }
  const answer: unknown = await response.json().catch(() => undefined)
  const token = valueAt(answer, tokenPath)
  if (response.ok && typeof token === 'string') return token
  const message = valueAt(answer, '/message')
  throw new Error(
    response.ok
      ? `The answer has no token at ${tokenPath}`
      : `${response.status}${typeof message === 'string' ? `: ${message}` : ''}`
  )
}
