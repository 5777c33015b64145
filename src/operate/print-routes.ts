import { nameOf, type Grant } from '../auth/grant.js'
import type { EffectiveOptions } from '../options/resolve-options.js'
import type { Route } from '../route/route.js'

/**
 * Returns the socket routes as a text table: path, name, who may connect and send guarded messages,
 * and the limits.
 */
export function printRoutes (routes: Iterable<Route>): string {
  const rows = [['path', 'name', 'granted to', 'limits']]
  for (const route of routes) {
    rows.push([route.path, route.name, grantsOf(route), limitsOf(route.effective).join(', ')])
  }
  const widths = rows[0]!.map((_title, column) =>
    Math.max(...rows.map((row) => row[column]!.length))
  )
  return rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()
  ).join('\n') + '\n'
}

// The grants of the route, then those of its messages.
function grantsOf ({ effective, contract }: Route): string {
  const grants = effective.isGranted.map(({ grant }) => nameOf(grant)).join(', and ') || 'everyone'
  const ofMessages = [...contract?.in.values() ?? []]
    .filter(({ isGranted }) => isGranted !== undefined)
    .map(({ type, isGranted }) => `'${type}' to ${nameOf(isGranted as Grant)}`)
  return [grants, ...ofMessages].join('; ')
}

// Limits that are not set are left out, except those that have a default.
function limitsOf ({
  maxPayload, outbox, concurrency, connections, rate
}: EffectiveOptions): string[] {
  const { perRoute, perUser, perIp } = connections
  const user = typeof perUser === 'number' ? { max: perUser, on: undefined } : perUser
  const policy = typeof outbox.overflow === 'string' ? outbox.overflow : 'latestBy'
  const limits: Array<readonly [amount: undefined | number, text: (amount: number) => string]> = [
    [perRoute, (max) => `connections ${max} per route`],
    [user?.max, (max) => `connections ${max} per user${user?.on ? ` (${user.on})` : ''}`],
    [perIp, (max) => `connections ${max} per IP address`],
    [rate?.messages, (max) => `rate ${max} messages per ${rate!.per} ms`],
    [rate?.bytes, (max) => `rate ${max} B per ${rate!.per} ms`]
  ]
  return [
    `messages ${maxPayload} B`,
    `outbox ${outbox.limit} B (${policy})`,
    `concurrency ${concurrency}`,
    ...limits.flatMap(([amount = Infinity, text]) => amount === Infinity ? [] : [text(amount)])
  ]
}
