import type { FastifyBaseLogger } from 'fastify'

type Level = 'debug' | 'info' | 'warn' | 'error'

/** Writes a line to a log. */
export type Log = (level: Level, message: string, details?: object) => void

interface Logged {
  readonly log: FastifyBaseLogger
}

/**
 * Writes a line to the log of a connection, a request or the app, and never throws: an error of the
 * app may have a getter that throws, or be a revoked proxy, and a logger may fail.
 *
 * @param details members of the line; if they cannot be written, the line is written without them.
 */
export function writeLog (owner: Logged, level: Level, details: object, message: string): void {
  try {
    owner.log[level](details, message)
  } catch {
    writeAlone(owner, level, message)
  }
}

function writeAlone (owner: Logged, level: Level, message: string): void {
  try {
    owner.log[level](`${message}; its details cannot be written`)
  } catch {
    // There is no other place to report it.
  }
}

type TextOfError = 'code' | 'name' | 'message' | 'stack'

/**
 * Returns a string property of a value that code of the app has thrown. The value can be anything,
 * also an object that throws when it is read.
 */
export function readText (error: unknown, name: TextOfError): undefined | string {
  try {
    const text = (error as null | Partial<Record<TextOfError, unknown>>)?.[name]
    return typeof text === 'string' ? text : undefined
  } catch {
    return undefined
  }
}
