import { ClientError, clientErrors } from './errors.js'
import type { WebSocketConstructor } from './options.js'

declare const process: { readonly env: { readonly NODE_ENV?: string } }

interface Target {
  addEventListener? (type: string, listener: () => void): void
  removeEventListener? (type: string, listener: () => void): void
}

interface Environment extends Target {
  readonly WebSocket?: WebSocketConstructor
  readonly document?: Target & { readonly visibilityState: string }
}

// Looked up when needed: during server-side rendering and in tests the globals come and go.
const environment = globalThis as Environment

/** @throws `FSR_CLIENT_NO_WEBSOCKET`. */
export function globalWebSocket (): WebSocketConstructor {
  const { WebSocket } = environment
  if (WebSocket === undefined) throw new ClientError(clientErrors.noWebSocket, 'There is no global WebSocket here: Node has one since 22. Give the option WebSocket, such as that of ws')
  return WebSocket
}

/**
 * Calls back when a browser says that the network is back, or the page is seen again.
 *
 * @returns a function that ends that.
 */
export function onWake (wake: () => void): () => void {
  const { document } = environment
  const seen = () => { if (document!.visibilityState === 'visible') wake() }
  // A worker has no document, React Native has no events here, Node has neither.
  environment.addEventListener?.('online', wake)
  document?.addEventListener?.('visibilitychange', seen)
  return () => {
    environment.removeEventListener?.('online', wake)
    document?.removeEventListener?.('visibilitychange', seen)
  }
}

/** Writes to the console, but not in a build for production. What an app throws may be something that has no text. */
export function warn (error: unknown): void {
  try {
    // Bundlers replace this expression as a whole.
    if (process.env.NODE_ENV === 'production') return
  } catch {
    // A browser without a bundler has no `process`.
  }
  try {
    console.warn(`fastify-socket-route/client: ${String(error)}`)
  } catch {
    // There is nothing to be read in it.
  }
}
