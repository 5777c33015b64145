const base64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/**
 * Returns the payload of a JSON Web Token (RFC 7519), which is not verified; `undefined` for any
 * other text. For browsers: the server decodes a token as its verifier does.
 */
export function payloadOf (token: string): unknown {
  try {
    return JSON.parse(decode(token.split('.')[1]!))
  } catch {
    // The text is not a JWT.
  }
}

// Decodes base64url and UTF-8 without `atob` and `TextDecoder`, which older React Native lacks.
function decode (text: string): string {
  let bits = ''
  for (const digit of text) bits += (64 + base64.indexOf(digit)).toString(2).slice(1)
  // Bits after the last byte are padding.
  return decodeURIComponent(bits.replace(/.{1,8}/g, (byte) =>
    byte.length < 8 ? '' : `%${(256 + parseInt(byte, 2)).toString(16).slice(1)}`
  ))
}
