const { WebSocket, EventTarget, CustomEvent, fetch } = window

// Milliseconds: the longest wait before the first attempt, and before any.
const FIRST_WAIT = 1_000
const LONGEST_WAIT = 15_000

// Close codes after which the client must not return: a protocol violation (RFC 6455 section
// 7.4.1), or a rejection.
const FINAL = new Set([1000, 1002, 1003, 1007, 1008, 1009])

/**
 * A WebSocket that comes back. It dispatches `message` with what came, parsed, and `state` with one
 * of
 *
 * - `{ name: 'connecting' }`
 * - `{ name: 'open' }`
 * - `{ name: 'waiting', seconds }` until the next attempt; anew with every second
 * - `{ name: 'refused', status, code, message }`: the server's answer, in HTTP
 * - `{ name: 'closed', code, reason }`: by the server, for good
 */
export class ReconnectingSocket extends EventTarget {
  #path
  #token
  #socket
  #timer
  #attempts = 0
  #hasEnded = false

  constructor (path, token) {
    super()
    this.#path = path
    this.#token = token
  }

  get isOpen () {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  /** Connects at once, also when it was to wait. */
  connect () {
    clearInterval(this.#timer)
    if (this.#hasEnded || this.#socket !== undefined) return
    this.#tell('connecting')
    const url = new URL(this.#path, window.location.href)
    url.protocol = url.protocol.replace('http', 'ws')
    // A browser cannot set the Authorization header of a WebSocket; the list of sub-protocols is
    // what it can set.
    const socket = new WebSocket(url, this.#token === null ? [] : ['bearer', this.#token])
    let wasOpen = false
    socket.addEventListener('open', () => {
      wasOpen = true
      if (this.#hasEnded) return
      this.#attempts = 0
      this.#tell('open')
    })
    socket.addEventListener('message', ({ data }) => {
      if (!this.#hasEnded) {
        this.dispatchEvent(new CustomEvent('message', { detail: JSON.parse(data) }))
      }
    })
    socket.addEventListener('close', ({ code, reason }) => {
      this.#socket = undefined
      if (this.#hasEnded) return
      if (!wasOpen) this.#ask()
      else if (isFinal(code)) this.#tell('closed', { code, reason })
      else this.#wait()
    })
    this.#socket = socket
  }

  send (data) {
    this.#socket.send(JSON.stringify(data))
  }

  /** Closes for good. Nothing is dispatched any more. */
  close () {
    this.#hasEnded = true
    clearInterval(this.#timer)
    this.#socket?.close(1000)
  }

  // A browser does not tell why a WebSocket was refused. But a plain GET runs the same guard and is
  // answered: 426 if the user would be let in, the reason if not.
  async #ask () {
    const headers = this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }
    let refusal
    try {
      const response = await fetch(this.#path, { headers, cache: 'no-store' })
      const isForGood = response.status >= 400 && response.status < 500 &&
        response.status !== 426 && response.status !== 429
      if (isForGood) refusal = { status: response.status, ...await response.json() }
    } catch {
      // There is no server to ask.
    }
    if (this.#hasEnded) return
    if (refusal === undefined) this.#wait()
    else {
      this.#tell('refused', {
        status: refusal.status,
        code: refusal.code,
        message: refusal.message
      })
    }
  }

  // Each wait is at most twice as long as the one before, and random, so that not all clients come
  // back at once.
  #wait () {
    const longest = Math.min(FIRST_WAIT * 2 ** this.#attempts, LONGEST_WAIT)
    const at = Date.now() + longest * (0.5 + Math.random() / 2)
    this.#attempts++
    const tick = () => {
      const left = at - Date.now()
      if (left <= 0) this.connect()
      else this.#tell('waiting', { seconds: Math.ceil(left / 1_000) })
    }
    this.#timer = setInterval(tick, 250)
    tick()
  }

  #tell (name, rest) {
    this.dispatchEvent(new CustomEvent('state', { detail: { name, ...rest } }))
  }
}

function isFinal (code) {
  // A client that has sent too much may return later.
  return FINAL.has(code) || (code >= 4000 && code !== 4429)
}
