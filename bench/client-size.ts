// What the client adds to a page: `npm run bench:client`. Our own code, minified and gzipped; partysocket is not ours.
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** The bytes that the client may have. */
export const LIMIT = 5_000

/** Bundles the client for browsers. */
export async function bundle (options: { external?: string[], globalName?: string } = {}): Promise<string> {
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

/** The bytes of the client, and with partysocket. */
export async function clientSize (): Promise<{ own: number, all: number }> {
  const [own, all] = await Promise.all([bundle({ external: ['partysocket'] }), bundle()])
  return { own: gzipSync(own, { level: 9 }).length, all: gzipSync(all, { level: 9 }).length }
}

if (process.argv[1] === import.meta.filename) {
  const { own, all } = await clientSize()
  console.log(`fastify-socket-route/client, minified and gzipped: ${own} bytes of ${LIMIT}; with partysocket ${all} bytes`)
  if (own >= LIMIT) process.exitCode = 1
}
