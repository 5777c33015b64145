import type { Target } from './session.js'

/** The reason for a refused connection, as shown on the page. */
export interface Refusal {
  readonly title: string
  readonly explanation: string
}

/**
 * Returns the reason for a refused connection. A browser does not expose it, but a plain GET runs
 * the same guard: the response is 426 if the user may connect, or else the reason.
 */
export async function askWhy (
  { url, token, tokenBy }: Target,
  tokenFrom: readonly string[]
): Promise<Refusal> {
  const http = new URL(url)
  http.protocol = url.protocol.replace('ws', 'http')
  if (tokenBy === 'query') http.searchParams.append('access_token', token)
  let response: Response
  try {
    const headers: HeadersInit = token === '' || tokenBy === 'ticket' || tokenBy === 'query'
      ? {}
      : { authorization: `Bearer ${token}` }
    response = await fetch(http, {
      headers,
      cache: 'no-store',
      redirect: 'manual',
      credentials: 'same-origin'
    })
  } catch {
    return {
      title: 'not connected',
      explanation: 'The server is unreachable, or does not allow this page to read the reason.'
    }
  }
  const { status } = response
  if (tokenBy === 'ticket') {
    return {
      title: 'refused',
      explanation:
        'A ticket is valid once, for a short time, and for the page that fetched it. ' +
        'Fetch a new one.'
    }
  }
  if (status === 426) {
    return {
      title: 'refused',
      explanation:
        'The guard accepts this user. The reason is a connection limit, the origin of this page ' +
        '(behind a proxy: trustProxy), or a proxy that does not support WebSocket.'
    }
  }
  if (status < 400) {
    return {
      title: 'refused',
      explanation:
        `A GET of the same path returns ${status}, so the reason is unknown. ` +
        'See the log of the server.'
    }
  }
  const { code, message } = await bodyOf(response)
  if (status === 401 && tokenBy === 'protocol' && !tokenFrom.includes('header')) {
    return {
      title: 'refused',
      explanation:
        'The token is probably expired or invalid. The route does not read tokens from a ' +
        'header, so the page cannot ask for the reason.'
    }
  }
  return {
    title: `refused ${status}${code === '' ? '' : ` ${code}`}`,
    explanation: [
      message === '' ? '' : `${message.replace(/\.$/, '')}.`,
      code === 'FSR_ERR_TOKEN_MISSING' ? '' : meanings[status] ?? ''
    ].join(' ').trim()
  }
}

const meanings: Readonly<Record<number, string>> = {
  400: 'The request is invalid: check the parameters and the query.',
  401: 'The token is missing, expired or invalid.',
  403: 'The token is valid, but its user may not connect. The top of this route shows who may.',
  404: 'There is no such route: check the parameters.',
  429: 'Too many connections for this user or IP address.',
  500: 'The server failed. Its log has the reason.',
  503: 'The server has reached a connection limit, or is stopping.'
}

async function bodyOf (response: Response): Promise<{ code: string, message: string }> {
  try {
    const body = await response.json() as null | { code?: unknown, message?: unknown }
    return {
      code: typeof body?.code === 'string' ? body.code : '',
      message: typeof body?.message === 'string' ? body.message : ''
    }
  } catch {
    return { code: '', message: '' }
  }
}
