/** What a message becomes on the wire: encoded once, then handed to however many sockets receive it. */
export interface Frame {
  /** The payload, unmasked. It is shared between receivers: do not change it. */
  readonly bytes: Buffer
  /** `true` for a binary message, `false` for UTF-8 text (RFC 6455 section 5.6). */
  readonly isBinary: boolean
}
