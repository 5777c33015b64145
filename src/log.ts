import type { FastifyBaseLogger } from 'fastify'

type Level = 'debug' | 'info' | 'warn' | 'error'

/**
 * Writes a line to the log of a connection, a request or the app, and never throws: an error of the app may have a getter that throws, or
 * be a revoked proxy, and a logger may fail.
 *
 * @param details members of the line; where they cannot be written the line goes without.
 */
export function writeLog (owner: { readonly log: FastifyBaseLogger }, level: Level, details: object, message: string): void {
  try {
    owner.log[level](details, message)
  } catch {
    writeAlone(owner, level, message)
  }
}

function writeAlone (owner: { readonly log: FastifyBaseLogger }, level: Level, message: string): void {
  try {
    owner.log[level](`${message}; its details cannot be written`)
  } catch {
    // There is no other place to say it.
  }
}

/** A text of what code of the app has thrown, which may be anything, also something that throws when it is looked at. */
export function readText (error: unknown, name: 'code' | 'name' | 'message' | 'stack'): undefined | string {
  try {
    const text = (error as null | Partial<Record<typeof name, unknown>>)?.[name]
    return typeof text === 'string' ? text : undefined
  } catch {
    return undefined
  }
}
