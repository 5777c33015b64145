import type { Route } from '../route/route.js'
import { nameOf } from '../auth/grant.js'

/** Returns the socket routes as a text table: path, name, who may connect, and the limits. */
export function printRoutes (routes: Iterable<Route>): string {
  const rows = [['path', 'name', 'granted to', 'limits']]
  for (const { path, name, effective: options } of routes) {
    rows.push([
      path,
      name,
      options.isGranted.map(({ grant }) => nameOf(grant)).join(', and ') || 'everyone',
      [
        `messages ${options.maxPayload} B`,
        `outbox ${options.outbox.limit} B`,
        `concurrency ${options.concurrency}`
      ].join(', ')
    ])
  }
  const widths = rows[0]!.map((_title, column) =>
    Math.max(...rows.map((row) => row[column]!.length))
  )
  return rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()
  ).join('\n') + '\n'
}
