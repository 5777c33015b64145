import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { transform } from 'esbuild'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

/**
 * Runs a sample of a document as it stands there, on an app.
 *
 * @param part a text that only this sample of the document contains.
 * @returns the exports of the sample.
 */
export async function runSample (
  t: Test,
  document: string,
  part: string,
  app: FastifyInstance
): Promise<unknown> {
  const found = [...readFileSync(document, 'utf8').matchAll(/^```ts\n([^]*?)^```$/gm)]
    .map(([, code]) => code!)
    .filter((code) => code.includes(part))
  t.equal(found.length, 1, `${document} has one sample with ${part}`)
  const { code } = await transform(found[0]!, { loader: 'ts', target: 'es2022' })
  // In the repository, so that the sample finds the installed packages; with the sources, so that
  // its classes are those of the app.
  const file = join(t.testdir(), 'sample.mjs')
  const source = JSON.stringify(new URL('../../src/index.js', import.meta.url).href)
  writeFileSync(file, 'const { app } = globalThis.sample\n' +
    code.replaceAll(/from ["']fastify-socket-route["']/g, `from ${source}`))
  Object.assign(globalThis, { sample: { app } })
  return await import(pathToFileURL(file).href)
}
