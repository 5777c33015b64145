import type { Ended } from './reconnection.js'

/** A constructor such as `WebSocket` of browsers or of `ws`. */
export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => object

/** How a connection that is gone without a close is detected. */
export interface PingOptions {
  /**
   * Milliseconds. A ping is sent when nothing has arrived for half of this to all of it.
   *
   * @default 20_000
   */
  readonly interval?: undefined | number
  /**
   * Milliseconds until data must arrive after a ping. Any data counts. Then the client gives the
   * connection up, and reconnects.
   *
   * @default 10_000
   */
  readonly timeout?: undefined | number
}

/** When a client reconnects, and how often. */
export interface ReconnectOptions {
  /**
   * Milliseconds. The delay of the first attempt is random, from this to four times this. Each
   * further attempt has half as much again. The count starts over when a connection has stayed open
   * for five seconds.
   *
   * @default 1_000
   */
  readonly minDelay?: undefined | number
  /**
   * Milliseconds: the longest delay between two attempts. The actual delay is random, from half of
   * this to all.
   *
   * @default 30_000
   */
  readonly maxDelay?: undefined | number
  /**
   * Called before each new attempt; decides whether to reconnect: for the close codes of an app, or
   * to give up after some attempts. A value other than `true` and `false` leaves the decision to
   * the close code. An attempt that failed (1006) is then repeated, unless its HTTP status is known
   * and final.
   */
  readonly when?: undefined | ((ended: Ended) => undefined | boolean)
}

/** The options of `connect`. */
export interface ClientOptions {
  /**
   * Returns the token. Called before every attempt to connect, and before the token expires, so
   * that each gets a fresh one. Sent as sub-protocols, `['bearer', token]`. `undefined` or `null`
   * connects without a token. If it throws, or does not return within `connectTimeout`, the attempt
   * counts as failed, and the next one follows after the usual delay; to give up, close the client.
   */
  readonly token?:
    | undefined
    | (() => undefined | null | string | Promise<undefined | null | string>)
  /**
   * Milliseconds before the expiry of the token (`exp` of a JWT) at which `token` is called for the
   * next one, which is sent over the open connection. Half of the remaining time, if that is later.
   *
   * @default 60_000
   */
  readonly renewBefore?: undefined | number
  /** Further sub-protocols to offer. */
  readonly protocols?: undefined | string | readonly string[]
  /**
   * The WebSocket to use. Required without a global one: in Node before 22, use that of `ws`.
   *
   * @default the global one
   */
  readonly WebSocket?: undefined | WebSocketConstructor
  /**
   * Milliseconds that a request waits for its reply, also while there is no connection. `Infinity`:
   * no limit.
   *
   * @default 10_000
   */
  readonly timeout?: undefined | number
  /**
   * Milliseconds that `token` and a function for the address may take, and after them the handshake
   * of a connection.
   *
   * @default 10_000
   */
  readonly connectTimeout?: undefined | number
  /**
   * How many messages may wait while there is no connection. One more fails with
   * `FSR_CLIENT_BUFFER_FULL`.
   *
   * @default 100
   */
  readonly buffer?: undefined | number
  /** When to reconnect. `false`: never. @default by the close code */
  readonly reconnect?: undefined | false | ReconnectOptions
  /** How a connection that is gone without a close is detected. `false`: not at all. */
  readonly ping?: undefined | false | PingOptions
  /**
   * Called with errors that no call can report: an attempt to connect that failed, a token that
   * could not be fetched or renewed, data that is not a message of the protocol, a failure without
   * an id, messages that could not be sent any more, and errors of handlers. Without this option
   * the errors of handlers are uncaught exceptions, and the others are warnings on the console,
   * except in a production build (`NODE_ENV`). Of several attempts to connect that fail in a row,
   * only the first one is a warning.
   */
  readonly onError?: undefined | ((error: unknown) => void)
}

/** The effective options, with those of `reconnect`. */
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
 * Completes options with their defaults.
 *
 * @param defaults the defaults of all known options.
 * @param whole the prefix of their names in error texts.
 * @throws TypeError for an unknown option, and for what is no object; RangeError for a duration or
 * a count that is neither a positive integer below 2^31 nor `Infinity`, nor 0 for a buffer.
 */
export function complete<Defaults extends object> (
  given: object,
  defaults: Defaults,
  whole = ''
): Defaults {
  // For instance a token, or a number of milliseconds: the error does not repeat it.
  if (!whole && (typeof given !== 'object' || !given || Array.isArray(given))) {
    throw new TypeError(`The options must be an object, { ${Object.keys(defaults)} }`)
  }
  const options = { ...defaults } as Record<string, unknown>
  for (const [name, value] of Object.entries(given)) {
    if (!(name in options)) throw new TypeError(`There is no option ${whole}${name}`)
    if (value === undefined) continue
    if (
      // The default is a number.
      options[name] as number >= 0 &&
      value !== Infinity &&
      // A buffer may have no room.
      ((value | 0) !== value || value < +(name !== 'buffer'))
    ) throw new RangeError(`${whole}${name} must be an integer > 0`)
    options[name] = value
  }
  return options as Defaults
}

/**
 * Checks the options, and returns the effective ones.
 *
 * @throws as `complete`; TypeError for options that are not an object, and for a token that is not
 * a function.
 */
export function settingsOf (options: ClientOptions): Settings {
  const own = complete<
    Omit<Settings, 'ping' | keyof ReconnectOptions> & Pick<ClientOptions, 'ping'>
  >(options, {
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
  // A fixed token would be sent again and again after it has expired.
  if (typeof (token ?? settingsOf) !== 'function') {
    throw new TypeError('token must be a function')
  }
  return {
    ...own,
    ...complete(reconnect || {}, {
      minDelay: 1_000,
      maxDelay: 30_000,
      when: undefined as ReconnectOptions['when']
    }, 'reconnect.'),
    ping: complete(ping === false ? { interval: Infinity } : ping ?? {}, {
      interval: 20_000,
      timeout: 10_000
    }, 'ping.')
  }
}
