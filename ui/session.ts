import { sizeOf, toHexLines } from './bytes.js'
import { explainClose } from './explain-close.js'
import type { RouteView } from './document.js'
import { durationText } from './entry-text.js'
import { Log, type Entry } from './log.js'
import { askWhy } from './explain-refusal.js'
import {
  errorText,
  isId,
  messageText,
  parseEnvelope,
  type Envelope,
  type MessageId
} from '../src/protocol/envelope.js'

/** The state of a connection. */
export type State = 'idle' | 'connecting' | 'open' | 'closing'

/** The parameters of a connection. */
export interface Target {
  readonly url: URL
  readonly token: string
  /** How the token is sent. */
  readonly tokenBy: 'none' | 'protocol' | 'query' | 'ticket' | 'message'
  readonly protocols: readonly string[]
}

/** A request of the server that waits for a reply. */
export interface ServerRequest {
  readonly id: MessageId
  readonly type: string
  readonly entry: Entry
}

// The largest number of pending requests of the server: more cannot be answered by hand.
const MOST_SERVER_REQUESTS = 50

/** The connection of a route, its log, and its pending requests. */
export class Session {
  readonly route: RouteView
  readonly log = new Log()
  readonly serverRequests = new Map<MessageId, ServerRequest>()
  state: State = 'idle'
  onState: undefined | (() => void)
  onServerRequests: undefined | (() => void)
  #socket: undefined | WebSocket
  #isGivenUp = false
  #lastId = 0
  readonly #requests = new Map<MessageId, Entry>()
  readonly #streams = new Map<MessageId, Entry>()
  readonly #sentAt = new WeakMap<Entry, number>()

  constructor (route: RouteView) {
    this.route = route
  }

  connect (target: Target): void {
    if (this.#socket !== undefined) return
    const { url, token, tokenBy, protocols } = target
    const secret = tokenBy === 'query' ? 'access_token' : 'ticket'
    const shown = `${url.host}${url.pathname}${url.search}`
    const full = new URL(url)
    if (tokenBy === 'query' || tokenBy === 'ticket') full.searchParams.append(secret, token)
    let socket: WebSocket
    try {
      socket = new WebSocket(
        full,
        tokenBy === 'protocol' ? [...protocols, 'bearer', token] : [...protocols]
      )
    } catch (error) {
      // The error message contains the arguments, and a token among them.
      this.#note(
        'not connected',
        (error as Error).name === 'SyntaxError'
          ? 'The token or a sub-protocol has characters that are not allowed in a sub-protocol.'
          : 'The browser does not allow this address.',
        'bad'
      )
      return
    }
    socket.binaryType = 'arraybuffer'
    this.#socket = socket
    this.#enter('connecting')
    const begun = performance.now()
    let wasOpen = false
    socket.addEventListener('open', () => {
      wasOpen = true
      const as = socket.protocol === '' ? '' : `, sub-protocol ${socket.protocol}`
      this.#note(
        'connected',
        `to ${shown}${as}, in ${Math.round(performance.now() - begun)} ms`,
        'good'
      )
      if (tokenBy === 'message') {
        socket.send(token)
        this.log.add({
          direction: 'sent',
          at: Date.now(),
          title: 'token',
          text: '',
          size: sizeOf(token),
          note: 'The token as the first message, which is not shown.'
        })
      }
      this.#enter('open')
    })
    socket.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
      this.#receive(data)
    })
    socket.addEventListener('close', ({ code, reason }) => {
      this.#socket = undefined
      this.#endAll()
      this.#enter('idle')
      if (wasOpen) this.#closed(code, reason)
      else if (this.#isGivenUp) this.#note('not connected', 'Cancelled before the server answered.')
      else this.#refused(target)
      this.#isGivenUp = false
    })
  }

  disconnect (): void {
    if (this.state === 'connecting') this.#isGivenUp = true
    if (this.state === 'open') this.#enter('closing')
    this.#socket?.close(1000)
  }

  /** Sends a message of the contract. Its data is JSON as written. */
  send (type: string, data: undefined | string, withReply: boolean): void {
    const id = withReply ? ++this.#lastId : undefined
    const text = messageText(type, id, data)
    const entry = this.#sent(type, text, id)
    if (id === undefined || entry === undefined) return
    entry.note = 'waiting for the reply'
    entry.cancel = () => {
      this.#settle(id, entry, 'cancelled')
      this.#sent('cancel', messageText('cancel', id), id)
    }
    this.#requests.set(id, entry)
    this.#sentAt.set(entry, performance.now())
    this.log.changed(entry)
  }

  /** Replaces the token of this connection. */
  renew (token: string): void {
    const id = ++this.#lastId
    const text = messageText('renew', id, JSON.stringify({ token }))
    if (!this.#transmit(text)) return
    const entry = this.log.add({
      direction: 'sent',
      at: Date.now(),
      title: 'renew',
      id,
      text: messageText('renew', id, '{"token":"…"}'),
      size: sizeOf(text),
      note: 'waiting for the reply'
    })
    this.#requests.set(id, entry)
    this.#sentAt.set(entry, performance.now())
  }

  /** Answers a request of the server. */
  answer ({ id, entry }: ServerRequest, data: undefined | string): void {
    this.#finishServerRequest(id, entry, 'answered')
    this.#sent('reply', messageText('reply', id, data), id, entry)
  }

  refuse ({ id, entry }: ServerRequest, code: string, message: string): void {
    this.#finishServerRequest(id, entry, 'refused')
    this.#sent('error', errorText(id, { code, message }), id, entry)
  }

  /** Sends a text as it is. */
  sendText (text: string): void {
    this.#sent('text', text, undefined)
  }

  sendBytes (bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#transmit(bytes)) return
    this.log.add({
      direction: 'sent',
      at: Date.now(),
      title: 'binary',
      text: toHexLines(bytes),
      size: bytes.length
    })
  }

  #sent (
    title: string,
    text: string,
    id: undefined | MessageId,
    request?: Entry
  ): undefined | Entry {
    if (!this.#transmit(text)) return undefined
    return this.log.add({
      direction: 'sent',
      at: Date.now(),
      title,
      id,
      text,
      size: sizeOf(text),
      request
    })
  }

  #transmit (data: string | Uint8Array<ArrayBuffer>): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      this.#note('not sent', 'There is no connection.', 'bad')
      return false
    }
    this.#socket.send(data)
    return true
  }

  #receive (data: string | ArrayBuffer): void {
    if (typeof data !== 'string') {
      const bytes = new Uint8Array(data)
      this.log.add({
        direction: 'received',
        at: Date.now(),
        title: 'binary',
        text: toHexLines(bytes),
        size: bytes.length
      })
      return
    }
    if (this.route.isRaw) {
      this.log.add({
        direction: 'received',
        at: Date.now(),
        title: 'text',
        text: data,
        size: sizeOf(data)
      })
    } else this.#receiveMessage(data, parseEnvelope(data))
  }

  #receiveMessage (text: string, envelope: undefined | Envelope): void {
    const { type, id: given } = envelope ?? {}
    const id = isId(given) ? given : undefined
    const base = {
      direction: 'received',
      at: Date.now(),
      title: type ?? 'text',
      id,
      text,
      size: sizeOf(text)
    } as const
    if (envelope !== undefined && (type === 'reply' || type === 'error')) {
      this.#receiveAnswer(base, envelope)
      return
    }
    if (type === 'cancel') {
      const request = id === undefined ? undefined : this.serverRequests.get(id)
      this.log.add({
        ...base,
        request: request?.entry,
        note: 'The server no longer wants the answer.'
      })
      if (request !== undefined) {
        this.#finishServerRequest(request.id, request.entry, 'cancelled by the server')
      }
      return
    }
    const known = this.route.outbound.find((message) => message.type === type)
    const entry = this.log.add({
      ...base,
      ...(known === undefined
        ? { tone: 'warn', note: 'This message is not in the document.' } as const
        : undefined)
    })
    if (id !== undefined && type !== undefined && this.serverRequests.size < MOST_SERVER_REQUESTS) {
      entry.note = 'The server waits for your answer.'
      this.serverRequests.set(id, { id, type, entry })
      this.onServerRequests?.()
    }
  }

  #receiveAnswer (base: Entry, envelope: Envelope): void {
    const { id } = base
    const { type, more, code, message, path = '' } = envelope
    const request = id === undefined ? undefined : this.#requests.get(id)
    const isError = type === 'error'
    const note = isError ? `${code}: ${message}${path === '' ? '' : `, at ${path}`}` : undefined
    if (request === undefined || id === undefined) {
      this.log.add({
        ...base,
        tone: isError ? 'bad' : undefined,
        note: note ?? 'No request is waiting for this answer.'
      })
      return
    }
    const took = performance.now() - this.#sentAt.get(request)!
    const stream = this.#streams.get(id)
    if (more) {
      const entry = stream ??
        this.log.add({
          ...base,
          title: 'stream',
          text: '',
          size: 0,
          request,
          took,
          items: [],
          count: 0,
          note: 'goes on'
        })
      this.#streams.set(id, entry)
      this.log.addItem(entry, base.text, base.size)
      return
    }
    this.#settle(
      id,
      request,
      isError ? 'failed' : stream === undefined ? 'answered' : 'complete',
      took
    )
    // The end of a stream is shown at the stream.
    if (stream === undefined || isError) {
      this.log.add({ ...base, request, took, tone: isError ? 'bad' : 'good', note })
    }
  }

  // Ends a request, with or without an answer.
  #settle (id: MessageId, request: Entry, how: string, took?: number): void {
    this.#requests.delete(id)
    request.cancel = undefined
    request.note = took === undefined ? how : `${how} after ${durationText(took)}`
    this.log.changed(request)
    const stream = this.#streams.get(id)
    if (stream === undefined) return
    this.#streams.delete(id)
    stream.note = how === 'failed'
      ? 'broke off'
      : `${request.note}, the first item after ${durationText(stream.took!)}`
    if (how === 'complete') stream.tone = 'good'
    this.log.changed(stream)
  }

  #finishServerRequest (id: MessageId, entry: Entry, how: string): void {
    this.serverRequests.delete(id)
    entry.note = how
    this.log.changed(entry)
    this.onServerRequests?.()
  }

  #endAll (): void {
    for (const [id, request] of this.#requests) {
      this.#settle(id, request, 'no answer: the connection has ended')
    }
    for (const { id, entry } of [...this.serverRequests.values()]) {
      this.#finishServerRequest(id, entry, 'not answered: the connection has ended')
    }
  }

  #closed (code: number, reason: string): void {
    const { meaning, advice } = explainClose(code, reason, this.route.closes)
    this.#note(
      `closed ${code}${reason === '' ? '' : ` ${reason}`}`,
      `${meaning} ${advice}`,
      code === 1000 || code === 1001 || code === 1005 ? undefined : 'bad'
    )
  }

  async #refused (target: Target): Promise<void> {
    const { title, explanation } = await askWhy(target, this.route.tokenFrom)
    this.#note(title, explanation, 'bad')
  }

  #note (title: string, note: string, tone?: Entry['tone']): void {
    this.log.add({ direction: 'note', at: Date.now(), title, text: '', size: 0, note, tone })
  }

  #enter (state: State): void {
    this.state = state
    this.onState?.()
  }
}
