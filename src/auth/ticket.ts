import { createHash, randomBytes } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { parse } from 'secure-json-parse'
import type { Clock } from '../clock.js'
import type { Identity, Name } from '../connection/identity.js'
import { errors } from '../errors.js'
import { originOf } from './origin.js'
import { callStore, typeOf } from './store-access.js'

/** Stores tickets until they are used. Several servers need a shared store, such as Redis. */
export interface TicketStore {
  /** @param ttl milliseconds after which the store may delete the ticket. */
  put (id: string, value: string, ttl: number): void | Promise<void>
  /**
   * Returns a value and deletes it, atomically: of several concurrent calls one gets the value, and
   * the others get `undefined` or `null` (Redis: `GETDEL`).
   */
  take (id: string): undefined | null | string | Promise<undefined | null | string>
}

// Every user can request tickets. Above this many bytes the oldest are deleted. ENTRY is what a Map
// takes for each.
const MOST = 67_108_864
const ENTRY = 256

/** Stores tickets in this process. */
export class MemoryTickets implements TicketStore {
  readonly #clock: Clock
  // In the order of expiry, as all have the same lifetime.
  readonly #kept = new Map<string, { readonly value: string, readonly end: number }>()
  // The oldest id, unless it was taken. The iterator is kept, as a new one would step over all
  // deleted entries of the Map again.
  #oldest = ''
  #ids = this.#kept.keys()
  #bytes = 0

  constructor (clock: Clock) {
    this.#clock = clock
  }

  put (id: string, value: string, ttl: number): void {
    const now = this.#clock.unixNow()
    this.#bytes += ENTRY + value.length
    this.#kept.set(id, { value, end: now + ttl })
    for (;;) {
      const { end = 0 } = this.#kept.get(this.#oldest) ?? {}
      if (end > now && this.#bytes <= MOST) return
      this.take(this.#oldest)
      const { done, value } = this.#ids.next()
      if (done === true) {
        this.#ids = this.#kept.keys()
        return
      }
      this.#oldest = value
    }
  }

  take (id: string): undefined | string {
    const value = this.#kept.get(id)?.value
    if (value === undefined) return
    this.#kept.delete(id)
    this.#bytes -= ENTRY + value.length
    return value
  }
}

// The stored value of a ticket.
interface Issued extends Identity {
  readonly route: string
  readonly origin?: undefined | string
  /** When the ticket expires, in milliseconds of Unix time. A store may keep it longer. */
  readonly end: number
}

/**
 * Issues and redeems tickets. A ticket lets one user connect once, soon, to one route, from one
 * page.
 */
export class Tickets {
  readonly #clock: Clock
  readonly #store: TicketStore
  readonly #ttl: number

  /** @param ttl the lifetime of a ticket in milliseconds. */
  constructor (clock: Clock, store: undefined | TicketStore, ttl: number) {
    this.#clock = clock
    this.#store = store ?? new MemoryTickets(clock)
    this.#ttl = ttl
  }

  /** @throws `FSR_ERR_OPTION_INVALID` if the user cannot be written as JSON. */
  async issue (route: string, request: FastifyRequest, identity: Identity): Promise<string> {
    const ticket = randomBytes(32).toString('base64url')
    const issued: Issued = {
      ...identity,
      route,
      origin: request.headers.origin,
      end: this.#clock.unixNow() + this.#ttl
    }
    const value = toJson(issued)
    await callStore(() => this.#store.put(idOf(ticket), value, this.#ttl), () => {})
    return ticket
  }

  /**
   * Returns the identity that a ticket was issued for.
   *
   * @throws `FSR_ERR_TICKET_INVALID`, `FSR_ERR_TOKEN_EXPIRED` (401).
   */
  async redeem (route: string, request: FastifyRequest, ticket: string): Promise<Identity> {
    // Taken before all checks, so that a ticket counts as used even if a check fails.
    const issued = await callStore(() => this.#store.take(idOf(ticket)), readIssued)
    if (issued === undefined) throw new errors.TicketInvalid()
    const { route: issuedFor, origin, end, ...identity } = issued
    if (issuedFor !== route || end <= this.#clock.unixNow() || !isSamePage(origin, request)) {
      throw new errors.TicketInvalid()
    }
    const { exp } = identity
    if (exp !== undefined && exp * 1000 <= this.#clock.unixNow()) throw new errors.TokenExpired()
    return identity
  }
}

// The store has hashes only, so that a reader of the store cannot use the tickets.
function idOf (ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}

// A browser sends no Origin when a page fetches from its own server. A ticket issued without an
// Origin is valid for pages of this server, and for clients that send no Origin.
function isSamePage (origin: undefined | string, request: FastifyRequest): boolean {
  const { origin: now } = request.headers
  return origin === undefined
    ? now === undefined || now === originOf(request)
    : now === origin
}

// Validates a stored value completely, as a store may return a wrong one.
function readIssued (value: undefined | null | string): undefined | Issued {
  if (value === undefined || value === null) return
  if (typeof value !== 'string') {
    throw new Error(`take() of the TicketStore returned ${typeOf(value)}. ` +
      'Return the string that put() was called with, undefined or null')
  }
  const issued = parseIssued(value)
  if (!isIssued(issued)) {
    throw new Error('take() of the TicketStore returned a string that put() was not called with')
  }
  return issued
}

// The error of the parser is dropped, as it would quote the text.
function parseIssued (value: string): unknown {
  try {
    return parse(value)
  } catch {
    return undefined
  }
}

function isIssued (value: unknown): value is Issued {
  const { route, origin, end, user, exp, session } =
    Object(value) as Partial<Record<keyof Issued, unknown>>
  return typeof route === 'string' && typeof end === 'number' &&
    user !== undefined && user !== null &&
    isTextOrNothing(origin) && isTimeOrNothing(exp) &&
    isNamed(value) && (session === undefined || isNamed(session))
}

function isNamed (value: unknown): boolean {
  const { subject, sub, iat } = Object(value) as Partial<Record<keyof Name, unknown>>
  return isTextOrNothing(subject) && isTextOrNothing(sub) && isTimeOrNothing(iat)
}

function isTextOrNothing (value: unknown): boolean {
  return value === undefined || typeof value === 'string'
}

function isTimeOrNothing (value: unknown): boolean {
  return value === undefined || typeof value === 'number'
}

function toJson (issued: Issued): string {
  try {
    const json = JSON.stringify(issued)
    if (isIssued(parse(json))) return json
  } catch {
    // Reported below.
  }
  throw new errors.OptionInvalid('request.user',
    'cannot be written as JSON, as a ticket requires')
}
