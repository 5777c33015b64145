import { errors } from '../errors.js'

/** The limits of the messages of one connection. */
export interface MessageLimits {
  /** Bytes of a message. */
  readonly maxPayload: number
  readonly maxFragments: number
}

/**
 * Maps an error of ws to an error of this plugin. ws itself sends the close code.
 *
 * @param announced payload bytes of the frame that is too large, if a single frame is.
 */
export function violationOf (
  cause: NodeJS.ErrnoException,
  { maxPayload, maxFragments }: MessageLimits,
  announced: undefined | number
): Error {
  switch (cause.code) {
    case 'WS_ERR_INVALID_UTF8': return new errors.MessageNotUtf8({ cause })
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS':
      return new errors.FragmentsTooMany(maxFragments, { cause })
    case 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH':
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
      return new errors.MessageTooBig(announced ?? `more than ${maxPayload}`, maxPayload, { cause })
    case 'Z_DATA_ERROR': return new errors.MessageNotInflated({ cause })
    default: return new errors.ProtocolViolated({ cause })
  }
}
