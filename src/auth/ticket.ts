import { createHash, randomBytes } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { parse } from 'secure-json-parse'
import type { Clock } from '../clock.js'
import type { Identity, Named } from '../connection/identity.js'
import { errors } from '../errors.js'
import { originOf } from './origin.js'
import { callStore, typeOf } from './call-store.js'

/** Keeps tickets until they are used. One that several machines share keeps them wherever the machines meet. */
export interface TicketStore {
  /** @param ttl milliseconds after which it may be forgotten. */
  put (id: string, value: string, ttl: number): void | Promise<void>
  /** Takes a value out: of several that ask at the same time, one gets it and all others get nothing (Redis: `GETDEL`). */
  take (id: string): undefined | null | string | Promise<undefined | null | string>
}

// Whoever is signed in can ask for tickets: above this the oldest are forgotten. In bytes, each with what a Map takes for it.
const MOST = 67_108_864
const ENTRY = 256

/** Keeps tickets in this process. */
export class MemoryTickets implements TicketStore {
  readonly #clock: Clock
  // In the order of their ends, as all have the same time.
  readonly #kept = new Map<string, { readonly value: string, readonly end: number }>()
  // The oldest, unless it was taken, and where it is: a Map steps over all that was taken before its first, each time anew.
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

// What a ticket stands for.
interface Issued extends Identity {
  readonly route: string
  readonly origin?: undefined | string
  /** When it ends, in milliseconds of Unix time: a store may keep it longer. */
  readonly end: number
}

/** Issues tickets and takes them back: each lets one user connect once, soon, to one route, from one page. */
export class Tickets {
  readonly #clock: Clock
  readonly #store: TicketStore
  readonly #ttl: number

  /** @param ttl milliseconds that a ticket is good for. */
  constructor (clock: Clock, store: undefined | TicketStore, ttl: number) {
    this.#clock = clock
    this.#store = store ?? new MemoryTickets(clock)
    this.#ttl = ttl
  }

  /** @throws `FSR_ERR_OPTION_INVALID` if the user cannot be kept as JSON. */
  async issue (route: string, request: FastifyRequest, identity: Identity): Promise<string> {
    const ticket = randomBytes(32).toString('base64url')
    const issued: Issued = { ...identity, route, origin: request.headers.origin, end: this.#clock.unixNow() + this.#ttl }
    const value = toJson(issued)
    await callStore(() => this.#store.put(idOf(ticket), value, this.#ttl), () => {})
    return ticket
  }

  /**
   * Whoever it is that brings a ticket.
   *
   * @throws `FSR_ERR_TICKET_INVALID`, `FSR_ERR_TOKEN_EXPIRED` (401).
   */
  async redeem (route: string, request: FastifyRequest, ticket: string): Promise<Identity> {
    // First of all, so that it counts as used whatever is wrong with it.
    const issued = await callStore(() => this.#store.take(idOf(ticket)), readIssued)
    if (issued === undefined) throw new errors.TicketInvalid()
    const { route: issuedFor, origin, end, ...identity } = issued
    if (issuedFor !== route || end <= this.#clock.unixNow() || !isSamePage(origin, request)) throw new errors.TicketInvalid()
    const { exp } = identity
    if (exp !== undefined && exp * 1000 <= this.#clock.unixNow()) throw new errors.TokenExpired()
    return identity
  }
}

// Who reads the store shall not be able to use what is in it.
function idOf (ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}

// A browser names no origin where a page reads from its own server: then it has to be this server's page that connects.
function isSamePage (origin: undefined | string, request: FastifyRequest): boolean {
  const { origin: now } = request.headers
  return origin === undefined ? now === undefined || now === originOf(request) : now === origin
}

// What a store has kept is what was put there, or nothing is believed of it.
function readIssued (value: undefined | null | string): undefined | Issued {
  if (value === undefined || value === null) return
  if (typeof value !== 'string') throw new Error(`take() of the TicketStore returned ${typeOf(value)}. It returns the text that put() was given, or nothing`)
  const issued = parseIssued(value)
  if (!isIssued(issued)) throw new Error('take() of the TicketStore returned another text than put() was given')
  return issued
}

// The error of a parser would quote the text.
function parseIssued (value: string): unknown {
  try {
    return parse(value)
  } catch {
    return undefined
  }
}

function isIssued (value: unknown): value is Issued {
  const { route, origin, end, user, exp, own } = Object(value) as Partial<Record<keyof Issued, unknown>>
  return typeof route === 'string' && typeof end === 'number' && user !== undefined && user !== null &&
    isTextOrNothing(origin) && isTimeOrNothing(exp) && isNamed(value) && (own === undefined || isNamed(own))
}

function isNamed (value: unknown): boolean {
  const { subject, sub, iat } = Object(value) as Partial<Record<keyof Named, unknown>>
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
    // Told below.
  }
  throw new errors.OptionInvalid('request.user', 'cannot be kept as JSON, which a ticket needs')
}
