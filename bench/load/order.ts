import type { Work } from '../jobs.js'
import type { DialectName } from './dialect.js'

/** The task of the generator: one job at one target. */
export interface Order {
  readonly work: Work
  readonly port: number
  readonly isSecure: boolean
  readonly secret: string
  readonly dialect: DialectName
  /** Whether the target looks at what it is sent. One of plain TCP does not. */
  readonly isChecked: boolean
  readonly seconds: number
  readonly warmUp: number
  /** Milliseconds for a server to get done with what has come with the last handshake. */
  readonly settle: number
}

/** Its results. */
export interface Outcome {
  /** In the unit of the job. */
  readonly value: number
  /** The part of its processor that the generator itself took, if there was a timed part. */
  readonly load?: undefined | number
  /** Other figures, by name. */
  readonly more?: undefined | Record<string, number>
}

/**
 * From the generator to the runner: the server's figures are to be taken now. The generator goes on
 * when it is answered.
 */
export type Phase = 'begin' | 'end' | 'before' | 'after'

export type Report = { readonly phase: Phase } | { readonly outcome: Outcome }
