import type { Ended } from './reconnection.js'

/** A constructor like `WebSocket` of browsers and of `ws`. */
export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => object

/** How a connection is found that is gone without a close. */
export interface PingOptions {
  /**
   * Milliseconds. When nothing has come for half of this to all of it, the server is asked for a sign of life.
   *
   * @default 20_000
   */
  readonly interval?: undefined | number
  /**
   * Milliseconds that the server has for that. Anything that comes is one. Then the connection is given up, and made anew.
   *
   * @default 10_000
   */
  readonly timeout?: undefined | number
}

/** When a client connects again, and how often. */
export interface ReconnectOptions {
  /**
   * Milliseconds. The first new attempt is made after a random time from this to four times this. Each further one that fails makes it
   * half as long again. The count begins anew when a connection has stayed open for five seconds.
   *
   * @default 1_000
   */
  readonly minDelay?: undefined | number
  /**
   * Milliseconds: the longest time between two attempts, of which it is a random part, from half to all.
   *
   * @default 30_000
   */
  readonly maxDelay?: undefined | number
  /**
   * Says whether to connect again, before each new attempt. Anything else than `true` and `false` leaves it to the close code, and
   * connects again after an attempt that failed (1006), unless its HTTP status is known and says that no attempt is of use. For the close
   * codes of an app, or to give up after some attempts.
   */
  readonly when?: undefined | ((ended: Ended) => undefined | boolean)
}

/** The options of `connect`. */
export interface ClientOptions {
  /**
   * Called before every attempt to connect, and before the token expires, so that each gets a fresh one. It is sent as sub-protocols,
   * `['bearer', token]`. `undefined` or `null` connects without a token. If it throws, the attempt counts as failed, and the next is made
   * after the usual delay; to give up, close the client.
   */
  readonly token?: undefined | (() => undefined | null | string | Promise<undefined | null | string>)
  /**
   * Milliseconds before the expiry of the token (`exp` of a JWT) at which `token` is called for the next, which is sent over the
   * connection that is open. Half the time that is left, if that is later.
   *
   * @default 60_000
   */
  readonly renewBefore?: undefined | number
  /** Further sub-protocols to ask for: several, or one. */
  readonly protocols?: undefined | string | readonly string[]
  /**
   * The WebSocket to use. Needed where there is no global one: in Node before 22, that of `ws`.
   *
   * @default the global one
   */
  readonly WebSocket?: undefined | WebSocketConstructor
  /**
   * Milliseconds that a request waits for its reply, also while there is no connection. `Infinity` for ever.
   *
   * @default 10_000
   */
  readonly timeout?: undefined | number
  /**
   * Milliseconds that the handshake of a connection may take.
   *
   * @default 10_000
   */
  readonly connectTimeout?: undefined | number
  /**
   * How many messages may wait while there is no connection. One more is an error with the code `FSR_CLIENT_BUFFER_FULL`.
   *
   * @default 100
   */
  readonly buffer?: undefined | number
  /** When to connect again. `false`: never. @default by the close code */
  readonly reconnect?: undefined | false | ReconnectOptions
  /** How a connection is found that is gone without a close. `false`: not at all. */
  readonly ping?: undefined | false | PingOptions
  /**
   * Called with what goes wrong where nobody waits: an attempt to connect that failed, a token that could not be had or renewed, something
   * from the server that is not a message of the protocol, a failure without an id, messages that could not be sent any more, and what a
   * handler throws, or rejects with. Without it the last is an uncaught exception, and the others are warnings on the console, except in a
   * build for production (`NODE_ENV`); of attempts to connect that fail in a row the first alone.
   */
  readonly onError?: undefined | ((error: unknown) => void)
}

/** The options as they hold; those of `reconnect` among them. */
export interface Settings extends ClientOptions, ReconnectOptions {
  readonly renewBefore: number
  readonly timeout: number
  readonly connectTimeout: number
  readonly buffer: number
  readonly minDelay: number
  readonly maxDelay: number
  /** An `interval` of `Infinity`: no pings. */
  readonly ping: { readonly interval: number, readonly timeout: number }
}

/**
 * Fills options up.
 *
 * @param defaults of all options that there are.
 * @param whole what they are a part of.
 * @throws TypeError for an option that there is not; RangeError where a number is none, or less than 0.
 */
export function complete<Defaults extends object> (given: object, defaults: Defaults, whole = ''): Defaults {
  const options = { ...defaults } as Record<string, unknown>
  for (const [name, value] of Object.entries(given)) {
    if (!(name in options)) throw new TypeError(`There is no option ${whole}${name}`)
    if (value === undefined) continue
    if (typeof options[name] === 'number' && !(typeof value === 'number' && value >= 0)) throw new RangeError(`${whole}${name} has to be a number from 0 on`)
    options[name] = value
  }
  return options as Defaults
}

/**
 * Checks them, and says what holds where nothing is said.
 *
 * @throws as `complete`; TypeError for a token that is no function.
 */
export function settingsOf (options: ClientOptions): Settings {
  const own = complete<Omit<Settings, 'ping' | keyof ReconnectOptions> & Pick<ClientOptions, 'ping'>>(options, {
    token: undefined,
    renewBefore: 60_000,
    protocols: undefined,
    WebSocket: undefined,
    timeout: 10_000,
    connectTimeout: 10_000,
    buffer: 100,
    reconnect: undefined,
    ping: undefined,
    onError: undefined
  })
  const { reconnect, ping, token } = own
  // A token itself would be asked for again and again.
  if (typeof (token ?? settingsOf) !== 'function') throw new TypeError('token has to be a function that returns the token')
  return {
    ...own,
    ...complete(reconnect || {}, { minDelay: 1_000, maxDelay: 30_000, when: undefined as ReconnectOptions['when'] }, 'reconnect.'),
    ping: complete(ping === false ? { interval: Infinity } : ping ?? {}, { interval: 20_000, timeout: 10_000 }, 'ping.')
  }
}
