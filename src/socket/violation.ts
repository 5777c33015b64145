import { errors } from '../errors.js'

/** What bounds the messages of one connection. */
export interface MessageLimits {
  /** Bytes. */
  readonly maxPayload: number
  readonly maxFragments: number
}

/**
 * What an error of ws means in the terms of this plugin. It sends the close code of each by itself.
 *
 * @param announced bytes of the frame that is too large, if it is one.
 */
export function violationOf (cause: NodeJS.ErrnoException, { maxPayload, maxFragments }: MessageLimits, announced: undefined | number): Error {
  switch (cause.code) {
    case 'WS_ERR_INVALID_UTF8': return new errors.MessageNotUtf8({ cause })
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS': return new errors.FragmentsTooMany(maxFragments, { cause })
    case 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH':
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH': return new errors.MessageTooBig(announced ?? `more than ${maxPayload}`, maxPayload, { cause })
    case 'Z_DATA_ERROR': return new errors.MessageNotInflated({ cause })
    default: return new errors.ProtocolViolated({ cause })
  }
}
