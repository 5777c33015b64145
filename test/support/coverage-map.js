import { readdirSync } from 'node:fs'

const sources = readdirSync('src', { recursive: true })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `src/${name}`)

/** Which sources a test answers for: all of them, and nothing else that it happens to load. */
export default () => sources
