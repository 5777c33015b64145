import type { Target } from './session.js'

/** Why there is no connection, for people. */
export interface Refusal {
  readonly title: string
  readonly explanation: string
}

/**
 * A browser does not tell why a WebSocket was refused. But a plain GET runs the same guard and is answered: 426 if the user would be let
 * in, the reason if not.
 */
export async function askWhy ({ url, token, tokenBy }: Target, tokenFrom: readonly string[]): Promise<Refusal> {
  const http = new URL(url)
  http.protocol = url.protocol.replace('ws', 'http')
  if (tokenBy === 'query') http.searchParams.append('access_token', token)
  let response: Response
  try {
    const headers: HeadersInit = token === '' || tokenBy === 'ticket' || tokenBy === 'query' ? {} : { authorization: `Bearer ${token}` }
    response = await fetch(http, { headers, cache: 'no-store', redirect: 'manual', credentials: 'same-origin' })
  } catch {
    return { title: 'not connected', explanation: 'The server cannot be reached, or it does not let this page ask why.' }
  }
  const { status } = response
  if (tokenBy === 'ticket') return { title: 'refused', explanation: 'A ticket serves once, soon after it was issued, and for the page that has asked for it. Fetch a new one.' }
  if (status === 426) {
    return { title: 'refused', explanation: 'The guard would let this user in, so it was something else: a limit of connections, the origin of this page (behind a proxy: trustProxy), or a proxy that does not know WebSocket.' }
  }
  if (status < 400) return { title: 'refused', explanation: `A GET of the same path is answered with ${status}, so the reason cannot be asked for. See the log of the server.` }
  const { code, message } = await bodyOf(response)
  if (status === 401 && tokenBy === 'protocol' && !tokenFrom.includes('header')) {
    return { title: 'refused', explanation: 'Most likely the token is expired or not valid. The route takes none from a header, so the reason cannot be asked for.' }
  }
  return { title: `refused ${status}${code === '' ? '' : ` ${code}`}`, explanation: [message === '' ? '' : `${message.replace(/\.$/, '')}.`, code === 'FSR_ERR_TOKEN_MISSING' ? '' : meanings[status] ?? ''].join(' ').trim() }
}

const meanings: Readonly<Record<number, string>> = {
  400: 'The server does not understand the request: look at the parameters and the query.',
  401: 'A token is needed, and the one that was sent is missing, expired or not valid.',
  403: 'The token is good, but its user may not connect: see who may at the top of this route.',
  404: 'There is no such route: look at the parameters.',
  429: 'There are too many connections of this user or address.',
  500: 'The server failed. Its log says why.',
  503: 'The server is full, or it is stopping.'
}

async function bodyOf (response: Response): Promise<{ code: string, message: string }> {
  try {
    const body = await response.json() as null | { code?: unknown, message?: unknown }
    return { code: typeof body?.code === 'string' ? body.code : '', message: typeof body?.message === 'string' ? body.message : '' }
  } catch {
    return { code: '', message: '' }
  }
}
