// Puts the results into README.md, and draws the chart: `npm run bench:report`.
import { readFileSync, writeFileSync } from 'node:fs'
import { chart } from './chart.js'
import type { Results } from './results.js'
import { markdown } from './table.js'

const BEGIN = '<!-- results -->\n'
const END = '<!-- end of results -->'

const results = JSON.parse(readFileSync(process.env['OUT'] ?? 'bench/results.json', 'utf8')) as Results
writeFileSync(new URL('chart.svg', import.meta.url), chart(results))

const readme = new URL('README.md', import.meta.url)
const text = readFileSync(readme, 'utf8')
const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)]
if (from === -1 || to === -1) throw new Error('bench/README.md has lost the marks around its results')
writeFileSync(readme, `${text.slice(0, from + BEGIN.length)}\n${markdown(results)}\n\n${text.slice(to)}`)
