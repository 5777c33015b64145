// Loaded before a test, this keeps which code of src/ has run in its process. coverage-report.js
// puts those of all tests together.
import { mkdirSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const sources = pathToFileURL(join('.build', 'src', '/')).href
const directory = join('.tap', 'coverage')

const session = new Session()
session.connect()
session.post('Profiler.enable')
// Whether it has run, not how often, which would cost more.
session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })

process.on('exit', () => {
  session.post('Profiler.takePreciseCoverage', (error, coverage) => {
    if (error !== null) throw error
    const result = coverage.result.filter(({ url }) => url.startsWith(sources))
    mkdirSync(directory, { recursive: true })
    writeFileSync(
      join(directory, `${performance.timeOrigin}-${process.pid}.json`),
      JSON.stringify({ result })
    )
  })
})
