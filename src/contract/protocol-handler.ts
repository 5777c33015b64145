import type { WsConnection } from '../connection/connection.js'
import { MessageFailure, ReplyError } from '../controller/message-errors.js'
import { asError, errors, type SocketError } from '../errors.js'
import { encodeText, type Frame } from '../message/frame.js'
import type { Message } from '../message/message.js'
import { messageText, type MessageId } from '../protocol/envelope.js'
import type { InboundEnvelope } from './inbound-request.js'

// Errors of a renewal that the client is sent as they are.
const renewalErrors = [errors.TokenInvalid, errors.TokenExpired, errors.NotGranted]

/**
 * Handles a reply or error of the client to a request of the server, a cancel, and a liveness
 * check. Returns whether the message was one of these.
 *
 * @param last the last of the messages that wait; `undefined` if the message is handled in turn.
 */
export function handleProtocol (
  connection: WsConnection,
  { type, id, data, code, message }: InboundEnvelope,
  last: undefined | Message
): boolean {
  switch (type) {
    case 'alive':
      // Not sent over the high-water mark: any of the waiting bytes shows the client that the
      // server is alive, and a client that does not read must not make the outbox grow.
      if (id !== undefined && !connection.outbox.isOverMark) {
        connection.outbox.reply(encodeText(messageText('reply', id)))
      }
      return true
    // A late or invented id is ignored: it costs nothing.
    case 'reply':
      if (id !== undefined && connection.hasPendingRequests) {
        connection.pendingRequests.answered(id, data)
      }
      return true
    case 'error':
      if (id !== undefined && connection.hasPendingRequests) {
        connection.pendingRequests.refused(id, refusedWith(textOf(code), textOf(message)))
      }
      return true
    case 'cancel':
      if (id !== undefined) cancel(connection, id, last)
      return true
    default:
      return false
  }
}

function cancel (
  connection: WsConnection,
  id: MessageId,
  last: undefined | Message
): void {
  const requests = last === undefined
    ? connection.inboundRequests
    : connection.inboundRequests ?? connection.createInboundRequests()
  requests?.cancel(id, last)
}

/**
 * Renews the token of the connection.
 *
 * @throws a `MessageFailure`, as a rejection.
 */
export async function renew (
  connection: WsConnection,
  { id, data }: InboundEnvelope
): Promise<undefined | Frame> {
  try {
    const { token } = Object(data) as { token?: unknown }
    await connection.renew(typeof token === 'string' ? token : '')
  } catch (thrown) {
    const error = asError(thrown)
    // Other errors are not about the token: they come from a store, or a predicate of the app.
    const isOfToken = renewalErrors.some((Constructor) => error instanceof Constructor)
    throw new MessageFailure(
      isOfToken
        ? new ReplyError((error as SocketError).code, (error as SocketError).message)
        : error,
      id,
      { isRefusal: false, isRejectedRenewal: isOfToken }
    )
  }
  connection.refusals?.clear()
  return id === undefined ? undefined : encodeText(messageText('reply', id))
}

// The client's text is for the app, and must not reach a log: the property is not enumerable.
function refusedWith (code: string, message: string): Error {
  return Object.defineProperty(new errors.RequestRefused(), 'reason', { value: { code, message } })
}

function textOf (value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 256) : ''
}
