import { isIPv6 } from 'node:net'

/**
 * Returns the network by which an address is counted: an IPv4 address itself, also if mapped to
 * IPv6 (RFC 4291 section 2.5.5.2); for IPv6 the /64, as a client has all addresses of one (RFC
 * 6177). A zone (RFC 4007 section 11) and a port, which some proxies add, are ignored.
 */
export function networkOf (ip: undefined | string): string {
  // A Unix socket has no address.
  if (ip === undefined) return ''
  const [, bracketed, withPort] = /^(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+)$/.exec(ip) ?? []
  const [address] = (bracketed ?? withPort ?? ip).split('%') as [string]
  if (!isIPv6(address)) return address
  const groups = groupsOf(address)
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') {
    return `${groups.slice(0, 4).join(':')}::/64`
  }
  return groups.slice(6)
    .flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255])
    .join('.')
}

// Returns all eight groups as the URL standard writes them: in lower case, without leading zeros.
function groupsOf (address: string): readonly string[] {
  const [before, after = []] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
    .map((part) => part.split(':').filter((group) => group !== '')) as [string[], string[]?]
  return [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
}
