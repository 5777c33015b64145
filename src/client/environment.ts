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

// Looked up on use: during server-side rendering and in tests the globals come and go.
const environment = globalThis as Environment

/** @throws `FSR_CLIENT_NO_WEBSOCKET`. */
export function globalWebSocket (): WebSocketConstructor {
  const { WebSocket } = environment
  if (WebSocket === undefined) {
    throw new ClientError(
      clientErrors.noWebSocket,
      'There is no global WebSocket: set the option WebSocket, such as that of ws'
    )
  }
  return WebSocket
}

/**
 * Calls `wake` when a browser is online again, or the page becomes visible.
 *
 * @returns a function that removes the listeners.
 */
export function onWake (wake: () => void): () => void {
  const { document } = environment
  const seen = () => { if (document!.visibilityState === 'visible') wake() }
  // A worker has no document, React Native has no such events, and Node has neither.
  environment.addEventListener?.('online', wake)
  document?.addEventListener?.('visibilitychange', seen)
  return () => {
    environment.removeEventListener?.('online', wake)
    document?.removeEventListener?.('visibilitychange', seen)
  }
}

/**
 * Writes a warning to the console, except in a production build. A thrown value may have no text.
 */
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
    // The value cannot be converted to text.
  }
}
