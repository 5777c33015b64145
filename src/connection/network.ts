import { isIPv6 } from 'node:net'

/**
 * The network that an address stands for where connections are counted: an IPv4 address itself, also as IPv6 has it (RFC 4291 section
 * 2.5.5.2), and of IPv6 the /64, as a client has all addresses of one (RFC 6177). However the address is written: a zone (RFC 4007
 * section 11) and the port that some proxies add do not count.
 */
export function networkOf (ip: undefined | string): string {
  // That of a Unix socket.
  if (ip === undefined) return ''
  const [, bracketed, withPort] = /^(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+)$/.exec(ip) ?? []
  const [address] = (bracketed ?? withPort ?? ip).split('%') as [string]
  if (!isIPv6(address)) return address
  const groups = groupsOf(address)
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return `${groups.slice(0, 4).join(':')}::/64`
  return groups.slice(6).flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]).join('.')
}

// All eight, as the URL standard writes them: in small letters, without leading zeros.
function groupsOf (address: string): readonly string[] {
  const [before, after = []] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::').map((part) => part.split(':').filter((group) => group !== '')) as [string[], string[]?]
  return [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
}
