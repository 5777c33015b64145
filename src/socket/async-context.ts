import { AsyncResource } from 'node:async_hooks'

// The context that the current call stack has entered.
let entered: undefined | ConnectionContext

/**
 * The asynchronous context of one connection: the context of its upgrade request, in which the
 * object is created. Calls in it find the same `AsyncLocalStorage` stores, whether a read, a shared
 * timer or the turn of another connection triggers them.
 */
export class ConnectionContext extends AsyncResource {
  constructor () {
    super('SOCKETCONNECTION')
  }

  /** Calls a function in this context. If already entered, it costs no more than the call. */
  enter<This, Argument, Result> (
    call: (this: This, argument: Argument) => Result,
    self: This,
    argument: Argument
  ): Result {
    if (entered === this) return call.call(self, argument)
    const before = entered
    entered = this
    try {
      return this.runInAsyncScope(call, self, argument)
    } finally {
      entered = before
    }
  }
}
