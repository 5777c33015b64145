import { originOf, type ConsoleOptions } from './options.js'

/**
 * Returns the headers of every file of the page. Script and style come from this server, nothing is
 * inline, no text becomes code or markup, and the page connects to this host and to the servers of
 * the options alone.
 */
export function headersOf ({ servers = [], login }: ConsoleOptions): Record<string, string> {
  // `'self'` covers the WebSocket too (CSP Level 3 section 6.7.2.8).
  const others = servers.flatMap((server) => [server, server.replace(/^ws/i, 'http')])
  const ofLogin = login === undefined ? undefined : originOf(login.url)
  const connect = new Set(["'self'", ...others, ...(ofLogin === undefined ? [] : [ofLogin])])
  return {
    'content-security-policy': [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      `connect-src ${[...connect].join(' ')}`,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'"
    ].join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin'
  }
}
