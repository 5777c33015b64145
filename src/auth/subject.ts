import { readText } from '../log.js'
import { discard, isThenable } from '../thenable.js'
import { typeOf } from './call-store.js'

/** What a token says of its user (RFC 7519 section 4), or the user that a hook of the app has set without a token. */
export type Claims = Readonly<Record<string, unknown>>

/** Names a user: a claim, or a function that makes a text of the claims. */
export type Subject = string | ((claims: Claims) => string)

/** A user, as caps, revocations and renewals know it. */
export interface NamedUser {
  readonly subject: string
  /** The same without the issuer. */
  readonly sub: string
}

/** Reads who claims are of. */
export interface SubjectReader {
  /** @throws an error that says what is wrong with the name, without its value. */
  (claims: Claims): undefined | NamedUser
  /** Whether the app has said how: then each user has a name. */
  readonly isOwn: boolean
}

/** By `sub`, and `iss` where there is one: a subject is unique within its issuer only (RFC 7519 section 4.1.2). */
export const subjectAndIssuer: SubjectReader = Object.assign((claims: Claims) => {
  const { sub, iss } = claims
  if (sub === undefined) return
  if (iss !== undefined && typeof iss !== 'string') throw new TypeError(`iss is of type ${typeOf(iss)}`)
  const own = textOf(sub)
  const key = keyOf(own)
  return { subject: iss === undefined ? key : keyOf(own, iss), sub: key }
}, { isOwn: false })

/** By a claim, or a function of the app. */
export function createSubjectReader (subject: Subject): SubjectReader {
  return Object.assign((claims: Claims) => {
    const sub = keyOf(textOf(typeof subject === 'function' ? call(subject, claims) : claims[subject]))
    return { subject: sub, sub }
  }, { isOwn: true })
}

function call (subject: (claims: Claims) => string, claims: Claims): unknown {
  try {
    const name: unknown = subject(claims)
    // It is no text: if it rejects, that must not end the process.
    if (isThenable(name)) discard(name)
    return name
  } catch (error) {
    // Without its text, in which claims may be.
    throw new TypeError(`the function subject threw a ${readText(error, 'name') ?? 'value'}`)
  }
}

/**
 * The key of a subject among all, the same in every process.
 *
 * @param iss its issuer, if it is one of that issuer only.
 */
export function keyOf (sub: string, iss?: undefined | string): string {
  if (iss !== undefined) return JSON.stringify([iss, sub])
  // A user who is called like such a pair is not to be taken for it.
  return sub.startsWith('["') ? JSON.stringify([sub]) : sub
}

/** A subject as text: many apps have numbers for their users. @throws for anything else. */
export function textOf (sub: unknown): string {
  if (typeof sub === 'string' && sub !== '') return sub
  // Larger ones are not told apart any more when JSON has been read.
  if (Number.isSafeInteger(sub)) return String(sub)
  throw new TypeError(sub === '' ? 'the subject is an empty string' : `the subject is of type ${typeOf(sub)}, not a string or an integer up to 2^53`)
}
