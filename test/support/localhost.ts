import dns from 'node:dns'
import type { Test } from 'tap'

/**
 * Has `localhost` be 127.0.0.1 and 127.0.0.2, as it is 127.0.0.1 and ::1 elsewhere, which not every
 * machine has.
 */
export function giveTwoAddresses (t: Test): void {
  const lookup = dns.lookup as (...args: unknown[]) => unknown
  t.teardown(() => { Object.assign(dns, { lookup }) })
  Object.assign(dns, {
    lookup (host: string, options: {
      all?: boolean
    }, answer: (error: null, addresses: object[]) => void) {
      if (host !== 'localhost' || options.all !== true) return lookup(host, options, answer)
      answer(null, ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 })))
    }
  })
}
