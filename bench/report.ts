// Puts the results into both README.md, and draws the chart: `npm run bench:report`.
import { readFileSync, writeFileSync } from 'node:fs'
import { chart } from './chart.js'
import type { Results } from './results.js'
import { headline, missed } from './summary.js'
import { markdown } from './table.js'

const results = JSON.parse(readFileSync(
  process.env['OUT'] ?? 'bench/results.json',
  'utf8'
)) as Results
writeFileSync(new URL('chart.svg', import.meta.url), chart(results))
fill('README.md', 'results', markdown(results))
fill('README.md', 'missed', missed(results.findings))
fill('../README.md', 'speed', headline(results))

/** Puts a text between two marks of a document. */
function fill (file: string, name: string, content: string): void {
  const document = new URL(file, import.meta.url)
  const text = readFileSync(document, 'utf8')
  const [begin, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from === -1 || to === -1) throw new Error(`${file} has lost the marks around its ${name}`)
  writeFileSync(document, `${text.slice(0, from + begin.length)}\n${content}\n\n${text.slice(to)}`)
}
