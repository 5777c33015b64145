import type { IncomingMessage } from 'node:http'
import type { FastifyBaseLogger } from 'fastify'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import { discard } from '../thenable.js'

/**
 * Upgrades that belong to another library: paths, including all paths below them, or a predicate.
 * The predicate must not be async.
 */
export type LeftUpgrades = readonly string[] | ((request: IncomingMessage) => boolean)

/** The upgrades that other listeners of the server handle. */
export class UpgradesLeft {
  readonly #paths: readonly string[]
  readonly #predicate: undefined | ((request: IncomingMessage) => unknown)
  readonly #owner: { readonly log: FastifyBaseLogger }

  /**
   * @param owner has the log for failures of the predicate.
   * @param left as `readLeftUpgrades` returns it.
   */
  constructor (owner: { readonly log: FastifyBaseLogger }, left: LeftUpgrades) {
    this.#predicate = typeof left === 'function' ? left : undefined
    this.#paths = typeof left === 'function' ? [] : left
    this.#owner = owner
  }

  /** Whether an upgrade is left to other listeners. If the predicate throws, it is not. */
  has (request: IncomingMessage): boolean {
    if (this.#predicate === undefined) {
      // A request of `injectWS` may have no URL.
      return this.#paths.length > 0 && this.#isAt(String(request.url).split('?', 1)[0]!)
    }
    try {
      const answer = this.#predicate(request)
      if (typeof answer === 'boolean') return answer
      discard(answer)
      writeLog(this.#owner, 'error', {},
        'leaveUpgrades returned neither true nor false: the upgrade is not left. ' +
        'The predicate must not be async')
    } catch (error) {
      writeLog(this.#owner, 'error', { err: error }, 'leaveUpgrades threw: the upgrade is not left')
    }
    return false
  }

  /** @throws `FSR_ERR_OPTION_INVALID` if the option leaves all upgrades of this route. */
  check (path: string): void {
    if (this.#isAt(path)) {
      throw new errors.OptionInvalid('Option leaveUpgrades',
        `leaves the upgrades of the socket route '${path}' to others: ` +
        'name other paths, or move the route')
    }
  }

  #isAt (path: string): boolean {
    return this.#paths.some((each) =>
      path.startsWith(each) && (path.length === each.length || path[each.length] === '/'))
  }
}

/** Reads the option `leaveUpgrades`, without trailing slashes. @throws `FSR_ERR_OPTION_INVALID`. */
export function readLeftUpgrades (given: LeftUpgrades): LeftUpgrades {
  if (typeof given === 'function') return given
  const isPath = (path: unknown) => typeof path === 'string' && /^\/[^?#]*[^?#/]\/*$/.test(path)
  if (!Array.isArray(given) || !given.every(isPath)) {
    throw new errors.OptionInvalid('Option leaveUpgrades',
      "is neither a predicate nor a list of paths below '/', such as ['/socket.io']")
  }
  return given.map((path) => path.replace(/\/+$/, ''))
}
