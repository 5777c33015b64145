import type { WsConnection } from '../connection/connection.js'
import type { MessageId, InboundRequest } from '../connection/pending-requests.js'
import type { Clients } from '../room/clients.js'
import type { MessageContext } from './contract.js'

/** The context of one message. Its signal is created only when a handler reads it. */
export class HandlerContext implements MessageContext {
  readonly id: undefined | MessageId
  readonly clients: Clients
  readonly #owner: { readonly signal: AbortSignal }

  constructor (
    connection: WsConnection,
    id: undefined | MessageId,
    work: undefined | InboundRequest,
    clients: Clients
  ) {
    this.id = id
    this.clients = clients
    this.#owner = work ?? connection
  }

  get signal (): AbortSignal {
    return this.#owner.signal
  }
}
