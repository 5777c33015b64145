import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

// Beside eslint and publint, as it has as many dependencies as all that the tests need otherwise.
const entry = resolve('tools/node_modules/@asyncapi/parser/cjs/index.js')

interface Operation { id (): undefined | string }

/** The result of the parser of AsyncAPI. */
export interface Parsed {
  /** Its findings; severities below 2 are errors and warnings. */
  readonly diagnostics: ReadonlyArray<{
    readonly code: string | number
    readonly severity: number
    readonly message: string
  }>
  readonly document?: undefined | {
    channels (): readonly unknown[]
    operations (): { all (): readonly Operation[] }
  }
}

/**
 * The options of a test that needs the parser: skipped where the tools are not installed, but not
 * in CI, where it fails instead.
 */
export const parserTest: { skip?: string } = existsSync(entry) || process.env['CI']
  ? {}
  : { skip: 'the parser of AsyncAPI is missing: npm ci --prefix tools' }

/** Parses a document with the reference parser of AsyncAPI. */
export async function parse (document: object): Promise<Parsed> {
  const { Parser } = await import(entry) as {
    Parser: new () => { parse (text: string): Promise<Parsed> }
  }
  return await new Parser().parse(JSON.stringify(document))
}
