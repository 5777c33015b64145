/** What a socket of `ws` says of itself: its `readyState`. */
export const CONNECTING = 0
export const OPEN = 1
export const CLOSING = 2
export const CLOSED = 3
