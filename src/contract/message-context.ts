import type { WsConnection } from '../connection/connection.js'
import type { MessageId, InboundRequest } from '../connection/pending-requests.js'
import type { Clients } from '../room/clients.js'
import type { MessageContext } from './contract.js'

/** What a handler is told besides the data. Made for each message: its signal is made only for those who look. */
export class HandlerContext implements MessageContext {
  readonly id: undefined | MessageId
  readonly clients: Clients
  readonly #owner: { readonly signal: AbortSignal }

  constructor (connection: WsConnection, id: undefined | MessageId, work: undefined | InboundRequest, clients: Clients) {
    this.id = id
    this.clients = clients
    this.#owner = work ?? connection
  }

  get signal (): AbortSignal {
    return this.#owner.signal
  }
}
