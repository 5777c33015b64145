import { errors } from '../errors.js'

// What ws calls the ways to break the protocol. It sends the close code of each by itself.
const violations: Record<string, undefined | typeof errors.ProtocolViolated> = {
  WS_ERR_INVALID_UTF8: errors.MessageNotUtf8,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: errors.FragmentsTooMany,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: errors.MessageTooBig,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: errors.MessageTooBig,
  Z_DATA_ERROR: errors.MessageNotInflated
}

/** What an error of ws means in the terms of this plugin. */
export function violationOf (cause: NodeJS.ErrnoException): Error {
  const Violation = violations[String(cause.code)] ?? errors.ProtocolViolated
  return new Violation({ cause })
}
