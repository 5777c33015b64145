const base64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/**
 * Returns the expiry of a JSON Web Token in milliseconds of Unix time; `undefined` if there is none
 * (RFC 7519 section 4.1.4).
 */
export function expiryOf (token: string): undefined | number {
  try {
    const { exp } = JSON.parse(decoded(token.split('.')[1]!)) as { exp?: unknown }
    return typeof exp === 'number' ? exp * 1_000 : undefined
  } catch {
    // The token is not a JWT.
  }
}

/** Whether a token can be sent as a sub-protocol (RFC 6455 section 4.1, RFC 9110 section 5.6.2). */
export function isSubProtocol (token: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(token)
}

// Returns each byte as a character, as `atob` does, which older React Native lacks. `exp` and the
// names are ASCII.
function decoded (text: string): string {
  let bytes = ''
  let bits = 0
  for (let index = 0; index < text.length; index++) {
    bits = (bits << 6) | base64.indexOf(text[index]!)
    if (index % 4 > 0) bytes += String.fromCharCode((bits >> (6 - index % 4 * 2)) & 0xff)
  }
  return bytes
}
