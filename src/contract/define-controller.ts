import type { FastifyTypeProvider, FastifyTypeProviderDefault } from 'fastify'
import type { ConnectionTypes, WithoutDefaults, WsConnection } from '../connection/connection.js'
import type { UserOfRequest } from '../connection/identity.js'
import type {
  ClientContract,
  ContractController,
  ContractSchema,
  Handlers,
  WithEvents
} from './contract.js'

/**
 * The connections of a controller with a contract, which can be sent the messages of the contract.
 *
 * @typeParam Types the types of the connections: `{ User, Params, Data, … }`.
 * @typeParam Provider the type provider of the app.
 * @typeParam Schema the contract.
 */
export type ContractConnection<
  Types,
  Provider extends FastifyTypeProvider,
  Schema extends ContractSchema
> = WithEvents<WithoutDefaults<Types>, Provider, Schema> extends infer All extends ConnectionTypes
  ? WsConnection<All>
  : never

/**
 * Types a controller with a contract that is written outside the call of `socketRoute`:
 * `const chat = defineController<TypeBoxTypeProvider>()({ schema, on })`. It returns the controller
 * unchanged.
 *
 * @typeParam Provider the type provider of the app.
 * @typeParam Types the types of the connections: `{ User, Params, Data, … }`.
 */
export function defineController<
  Provider extends FastifyTypeProvider = FastifyTypeProviderDefault,
  Types extends ConnectionTypes = { User: UserOfRequest }
> () {
  return <const Schema extends ContractSchema>(
    controller: ContractController<ContractConnection<Types, Provider, Schema>, Provider, Schema>
  ): ContractController<ContractConnection<Types, Provider, Schema>, Provider, Schema> => controller
}

/**
 * Returns a base class for a controller class with a contract:
 * `class Chat extends baseController<TypeBoxTypeProvider>()(schema)`. The class defines its
 * handlers as `on = this.handlers({ … })`, which types them as in an object.
 *
 * @typeParam Provider the type provider of the app.
 * @typeParam Types the types of the connections: `{ User, Params, Data, … }`.
 */
export function baseController<
  Provider extends FastifyTypeProvider = FastifyTypeProviderDefault,
  Types extends ConnectionTypes = { User: UserOfRequest }
> () {
  return <const Schema extends ContractSchema>(
    schema: Schema
  ): BaseController<Provider, Types, Schema> => {
    abstract class Base implements TypedController<Provider, Types, Schema> {
      readonly schema = schema
      abstract readonly on: Handlers<ContractConnection<Types, Provider, Schema>, Provider, Schema>

      handlers (
        handlers: Handlers<ContractConnection<Types, Provider, Schema>, Provider, Schema>
      ): Handlers<ContractConnection<Types, Provider, Schema>, Provider, Schema> {
        return handlers
      }
    }
    return Base
  }
}

/** The base class that `baseController` returns. */
export type BaseController<
  Provider extends FastifyTypeProvider,
  Types extends ConnectionTypes,
  Schema extends ContractSchema
> = abstract new () => TypedController<Provider, Types, Schema>

/** A controller whose type carries the types of its connections and of its clients. */
export interface TypedController<
  Provider extends FastifyTypeProvider,
  Types extends ConnectionTypes,
  Schema extends ContractSchema
>
  extends ContractController<ContractConnection<Types, Provider, Schema>, Provider, Schema> {
  /** For the compiler alone. */
  readonly '~contract'?: undefined | ClientContract<Provider, Schema>
  /** For the compiler alone. */
  readonly '~connection'?: undefined | ContractConnection<Types, Provider, Schema>
  /** Types the handlers of the class, and returns them unchanged. */
  handlers (
    handlers: Handlers<ContractConnection<Types, Provider, Schema>, Provider, Schema>
  ): Handlers<ContractConnection<Types, Provider, Schema>, Provider, Schema>
}
