import { sizeText } from './bytes.js'
import type { Entry } from './log.js'

/** Formats a duration. */
export function durationText (milliseconds: number): string {
  return milliseconds < 1
    ? 'less than 1 ms'
    : milliseconds < 1_000
      ? `${Math.round(milliseconds)} ms`
      : `${(milliseconds / 1_000).toFixed(1)} s`
}

/** Formats an entry as a line of text, for the clipboard. */
export function lineOf ({ direction, at, title, size, text, note, items }: Entry): string {
  const shown = size === 0 ? '' : ` (${sizeText(size)})`
  const head = `${new Date(at).toISOString()} ${direction} ${title}${shown}`
  const remark = note === undefined ? '' : ` [${note}]`
  return `${head} ${items?.join(' ') ?? text}${remark}`.trimEnd()
}
