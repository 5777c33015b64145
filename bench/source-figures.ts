// Figures counted in the sources without running them.
import ts from 'typescript'
import { isImplementation, nameOf, parse, walk, type Source } from './sources.js'

export interface SourceFigures {
  readonly files: number
  readonly lines: number
  /** Lines of the median file. */
  readonly median: number
  readonly longestFile: Longest
  readonly longestFunction: Longest
  /** Columns of the longest line. */
  readonly longestLine: Longest
  /** The part of the lines that has more columns than this. */
  readonly over100: number
  readonly over120: number
  /** Each `as`, except `as const`. */
  readonly casts: number
  readonly words: number
}

export interface Longest {
  readonly length: number
  readonly name: string
}

/** Words that stand for a person where there is a client, a token or a frame. */
export const PERSONS = /\b(?:whoever|whatever|nobody|somebody|whom(?:ever)?|anybody)\b/gi

/** Counts in all of these sources. */
export function figuresOf (sources: readonly Source[]): SourceFigures {
  const lines = sources.flatMap(({ file, text }) => linesOf(text)
    .map((line, index) => ({ length: line.length, name: `${file}:${index + 1}` })))
  const lengths = sources.map(({ file, text }) => ({ length: linesOf(text).length, name: file }))
  const functions: Longest[] = []
  let casts = 0
  for (const source of sources) {
    const tree = parse(source)
    const lineAt = (position: number): number => tree.getLineAndCharacterOfPosition(position).line
    walk(tree, (node) => {
      if (isImplementation(node)) {
        const length = lineAt(node.end) - lineAt(node.getStart()) + 1
        functions.push({ length, name: `${nameOf(node)} of ${source.file}` })
      } else if (ts.isAsExpression(node) && !ts.isConstTypeReference(node.type)) {
        casts++
      }
    })
  }
  const over = (columns: number): number =>
    lines.filter(({ length }) => length > columns).length / lines.length
  return {
    files: sources.length,
    lines: lines.length,
    median: medianOf(lengths.map(({ length }) => length)),
    longestFile: longestOf(lengths),
    longestFunction: longestOf(functions),
    longestLine: longestOf(lines),
    over100: over(100),
    over120: over(120),
    casts,
    words: sources.reduce((sum, { text }) => sum + (text.match(PERSONS)?.length ?? 0), 0)
  }
}

function linesOf (text: string): string[] {
  return text.replace(/\n$/, '').split('\n')
}

const NONE: Longest = { length: 0, name: 'none' }

function longestOf (all: readonly Longest[]): Longest {
  return all.reduce((longest, each) => each.length > longest.length ? each : longest, NONE)
}

function medianOf (values: number[]): number {
  values.sort((one, other) => one - other)
  const middle = values.length >> 1
  return values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2
}
