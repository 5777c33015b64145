// How the sources are to be read: `npm run bench:trace`. It counts through how many files a message
// goes, and what can be counted without running anything. With parts of names behind `--` it prints
// the traces that have one of these in their name, call by call.
import type { Call } from './instrument.js'
import { figuresOf, type Longest } from './source-figures.js'
import { readSources } from './sources.js'
import { countsOf, forms, traceAll } from './traces.js'

type Traces = Awaited<ReturnType<typeof traceAll>>

const row = (...cells: ReadonlyArray<string | number>): string => `| ${cells.join(' | ')} |`

/** The counts of all traces, as a table in Markdown. */
export function traceTable (traces: Traces): string {
  const columns = Object.keys(forms).flatMap((form) => [`${form}: stays`, 'files', 'returns'])
  const rows = [...traces].map(([
    name,
    byForm
  ]) => row(name, ...Object.values(byForm).flatMap((calls) => {
    const { stays, files, returns } = countsOf(calls)
    return [stays, files, returns]
  })))
  return [row('', ...columns), row('---', ...columns.map(() => '--:')), ...rows].join('\n')
}

/** The figures of the sources, without the client and with it, as a table in Markdown. */
export function sourceTable (): string {
  const sources = readSources()
  const both = [figuresOf(sources.filter(({ isOfClient }) => !isOfClient)), figuresOf(sources)]
  const longest = ({ length, name }: Longest): string => `${length} (\`${name}\`)`
  const percent = (part: number): string => `${(part * 100).toFixed(1)} %`
  return [
    row('', 'without the client', 'with it'),
    row('---', '--:', '--:'),
    row('files', ...both.map(({ files }) => files)),
    row('lines', ...both.map(({ lines }) => lines.toLocaleString('en'))),
    row('lines of the median file', ...both.map(({ median }) => median)),
    row('lines of the longest file', ...both.map(({ longestFile }) => longest(longestFile))),
    row(
      'lines of the longest function',
      ...both.map(({ longestFunction }) => longest(longestFunction))
    ),
    row('columns of the longest line', ...both.map(({ longestLine }) => longest(longestLine))),
    row('lines over 100 columns', ...both.map(({ over100 }) => percent(over100))),
    row('lines over 120 columns', ...both.map(({ over120 }) => percent(over120))),
    row('casts by `as`, without `as const`', ...both.map(({ casts }) => casts)),
    row('words for persons', ...both.map(({ words }) => words))
  ].join('\n')
}

/** A trace, one call a line, with the file where a stay begins. */
export function listing (calls: readonly Call[]): string {
  return calls
    .map(({ file, name }, index) => (file === calls[index - 1]?.file ? '' : file).padEnd(40) + name)
    .join('\n')
}

if (process.argv[1] === import.meta.filename) {
  const parts = process.argv.slice(2)
  const traces = await traceAll()
  if (parts.length === 0) console.log(`${traceTable(traces)}\n\n${sourceTable()}`)
  for (const [name, byForm] of traces) {
    if (!parts.some((part) => name.includes(part))) continue
    for (const [form, calls] of Object.entries(byForm)) {
      console.log(`\n${name}, ${form}: ${JSON.stringify(countsOf(calls))}\n\n${listing(calls)}`)
    }
  }
}
