import { union, type ExceptIds } from '../broadcast/channel.js'
import type { Publish } from '../broker/broker.js'
import type { Answer, LocalRoom, Room, WsConnection } from '../connection/connection.js'
import { checkRequestOptions, type RequestOptions } from '../connection/pending-requests.js'
import { errors } from '../errors.js'
import type { Codec } from '../message/codec.js'
import { exceptBehind } from './broadcast-options.js'
import type { Rooms } from './rooms.js'

/** The parts of a route that its rooms use. */
export interface RoomServices {
  readonly rooms: Rooms
  readonly codec: Codec
  readonly publish: Publish
}

/** Addresses rooms by their names. The members are looked up at each use. */
export class NamedRoom implements Room {
  readonly names: readonly string[]
  readonly #services: RoomServices
  readonly #except: ExceptIds

  constructor (services: RoomServices, names: readonly string[], except: ExceptIds) {
    this.names = names
    this.#services = services
    this.#except = except
  }

  get name (): string {
    return this.names.join(', ')
  }

  get local (): LocalRoom {
    return new LocalMembers(this.#services, this.names, this.#except)
  }

  send (...message: readonly unknown[]): void {
    const { codec, publish } = this.#services
    const [first, second] = message
    const except = union(this.#except, exceptBehind(message, codec.arity, 'send() of a room'))
    const frame = codec.frameOf(first, codec.arity === 1 ? undefined : second, this.names)
    publish({ rooms: this.names, frame, key: codec.keyOf(first, second), except })
  }
}

class LocalMembers implements LocalRoom {
  readonly #services: RoomServices
  readonly #names: readonly string[]
  readonly #except: ExceptIds

  constructor (services: RoomServices, names: readonly string[], except: ExceptIds) {
    this.#services = services
    this.#names = names
    this.#except = except
  }

  get size (): number {
    return this.#services.rooms.count(this.#names, this.#except)
  }

  [Symbol.iterator] (): IterableIterator<WsConnection> {
    return this.#services.rooms.members(this.#names, this.#except)
  }

  async request (
    type?: unknown,
    data?: unknown,
    options: RequestOptions = {}
  ): Promise<Array<Answer<WsConnection, never>>> {
    checkRequestOptions(options)
    const { rooms, codec } = this.#services
    const request = codec.requestOf(type, data, this.#names)
    options.signal?.throwIfAborted()
    const members = [...this]
    // The waits begin before the request is sent. The wait for a closed member rejects at once.
    const answers = members.map((connection) => connection.pendingRequests.wait(request, options))
    rooms.send(this.#names, { frame: request.frame, key: undefined, except: this.#except })
    const settled = await Promise.allSettled(answers)
    return settled.map((answer, index) => ({
      connection: members[index]!,
      ...answer as PromiseSettledResult<never>
    }))
  }
}

/**
 * Returns the names of rooms as a list without duplicates.
 *
 * @throws `FSR_ERR_ROOM_INVALID` for a name that is not a string.
 */
export function namesOf (rooms: string | Iterable<string>): readonly string[] {
  if (typeof rooms === 'string') return [rooms]
  const iterable = rooms as undefined | null | Partial<Iterable<string>>
  if (typeof iterable?.[Symbol.iterator] !== 'function') {
    throw new errors.RoomInvalid(`of type ${typeof rooms}`)
  }
  const names = [...new Set(rooms)]
  for (const name of names) {
    if (typeof name !== 'string') throw new errors.RoomInvalid(`of type ${typeof name}`)
  }
  return names
}
