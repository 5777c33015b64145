import { AsyncResource } from 'node:async_hooks'

// The context that is entered right now, by the code on the stack.
let entered: undefined | ConnectionContext

/**
 * The asynchronous context of one connection: that in which it is made, which is the one of its upgrade request. What is called in it
 * finds the same `AsyncLocalStorage` stores, whatever triggers the call: a read, a shared timer, the turn of another connection.
 */
export class ConnectionContext extends AsyncResource {
  constructor () {
    super('SOCKETCONNECTION')
  }

  /** Calls a function in this context. Within one that has been entered it costs no more than the call. */
  enter<This, Argument, Result> (call: (this: This, argument: Argument) => Result, self: This, argument: Argument): Result {
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
