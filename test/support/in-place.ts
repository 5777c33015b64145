import type { ConnectionContext } from '../../src/socket/async-context.js'

/** In the place of the context of a connection, where there is none. */
export const inPlace: Pick<ConnectionContext, 'enter'> = {
  enter: (call, self, argument) => call.call(self, argument)
}
