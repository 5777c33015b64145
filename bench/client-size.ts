// The size that the client adds to a page, minified and gzipped: `npm run bench:client`.
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** The bytes that the client may have. */
export const LIMIT = 6_000

/** Bundles the client for browsers. */
export async function bundle (options: { globalName?: string } = {}): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [resolve('src/client/index.ts')],
    bundle: true,
    minify: true,
    write: false,
    format: options.globalName === undefined ? 'esm' : 'iife',
    target: 'es2022',
    ...options
  })
  return outputFiles[0]!.text
}

/** The bytes of the client. */
export async function clientSize (): Promise<number> {
  return gzipSync(await bundle(), { level: 9 }).length
}

if (process.argv[1] === import.meta.filename) {
  const size = await clientSize()
  console.log(`fastify-socket-route/client, minified and gzipped: ${size} bytes of ${LIMIT}`)
  if (size >= LIMIT) process.exitCode = 1
}
