import { readText } from '../log.js'
import { discard, isThenable } from '../thenable.js'
import { typeOf } from './store-access.js'

/**
 * The claims of a token (RFC 7519 section 4), or a user that a hook of the app has set without a
 * token.
 */
export type Claims = Readonly<Record<string, unknown>>

/**
 * Reads the subject of a user: the name of a claim, or a function that returns it from the claims.
 */
export type Subject = string | ((claims: Claims) => string)

/** The subject of a user, for connection limits, revocations and renewals. */
export interface NamedUser {
  readonly subject: string
  /** The subject without the issuer. */
  readonly sub: string
}

/** Reads the subject of claims. */
export interface SubjectReader {
  /** @throws an error that says what is wrong with the subject, without its value. */
  (claims: Claims): undefined | NamedUser
  /** Whether the option `subject` is set: then every user must have a subject. */
  readonly isOwn: boolean
}

/**
 * Reads `sub`, and `iss` where it is present: a subject is unique within its issuer only (RFC 7519
 * section 4.1.2).
 */
export const subjectAndIssuer: SubjectReader = Object.assign((claims: Claims) => {
  const { sub, iss } = claims
  if (sub === undefined) return
  if (iss !== undefined && typeof iss !== 'string') {
    throw new TypeError(`iss is of type ${typeOf(iss)}, not a string`)
  }
  const own = textOf(sub)
  const key = keyOf(own)
  return { subject: iss === undefined ? key : keyOf(own, iss), sub: key }
}, { isOwn: false })

/** Creates the reader for the option `subject`. */
export function createSubjectReader (subject: Subject): SubjectReader {
  return Object.assign((claims: Claims) => {
    const value = typeof subject === 'function' ? call(subject, claims) : claims[subject]
    const sub = keyOf(textOf(value))
    return { subject: sub, sub }
  }, { isOwn: true })
}

function call (subject: (claims: Claims) => string, claims: Claims): unknown {
  try {
    const name: unknown = subject(claims)
    // A promise is not a subject, and its rejection must not end the process.
    if (isThenable(name)) discard(name)
    return name
  } catch (error) {
    // Without the text of the error, which may quote claims.
    throw new TypeError(`the function subject threw a ${readText(error, 'name') ?? 'value'}`)
  }
}

/**
 * Returns the unique key of a subject, which is the same in every process.
 *
 * @param iss the issuer, for a subject of this issuer only.
 */
export function keyOf (sub: string, iss?: undefined | string): string {
  if (iss !== undefined) return JSON.stringify([iss, sub])
  // Escapes a subject that has the form of such a pair.
  return sub.startsWith('["') ? JSON.stringify([sub]) : sub
}

/** Returns a subject as a string. Many apps use integers. @throws for other types. */
export function textOf (sub: unknown): string {
  if (typeof sub === 'string' && sub !== '') return sub
  // JSON.parse rounds larger integers, so that two subjects could become one.
  if (Number.isSafeInteger(sub)) return String(sub)
  throw new TypeError(sub === ''
    ? 'the subject is an empty string'
    : `the subject is of type ${typeOf(sub)}, not a string or an integer up to 2^53`)
}
