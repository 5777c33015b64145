// Node could map the places in stacks itself, but would read the source map of each module that it
// loads: a fifth of a test's time.
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'

const maps = new Map()

function mapOf (compiled) {
  if (!maps.has(compiled)) {
    maps.set(compiled, new SourceMap(JSON.parse(readFileSync(`${compiled}.map`, 'utf8'))))
  }
  return maps.get(compiled)
}

/** Returns a text with its places in the JavaScript replaced by those of the TypeScript. */
export function original (text) {
  return text.replace(/(?:file:\/\/)?[^\s:()]*?\.build\/([^\s:()]+)\.js:(\d+):(\d+)/g, (
    place,
    name,
    line,
    column
  ) => {
    try {
      const {
        originalLine,
        originalColumn
      } = mapOf(`.build/${name}.js`).findEntry(line - 1, column - 1)
      return originalLine === undefined
        ? place
        : `${name}.ts:${originalLine + 1}:${originalColumn + 1}`
    } catch {
      return place
    }
  })
}
