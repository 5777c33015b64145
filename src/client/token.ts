/** When a JSON Web Token expires, in milliseconds of Unix time; `undefined` if that cannot be told (RFC 7519 section 4.1.4). */
export function expiryOf (token: string): undefined | number {
  try {
    const payload = token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/')
    const { exp } = JSON.parse(atob(payload)) as { exp?: unknown }
    return typeof exp === 'number' ? exp * 1_000 : undefined
  } catch {
    // It is another kind of token.
  }
}

/** Whether a token can be sent as a sub-protocol (RFC 6455 section 4.1, RFC 9110 section 5.6.2). */
export function isSubProtocol (token: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(token)
}
