import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

/** One file of the page, ready to be sent. */
export interface PageFile {
  readonly name: string
  readonly type: string
  /** Of its content (RFC 9110 section 8.8.3); weak, as it is that of both forms. */
  readonly etag: string
  readonly plain: Buffer
  readonly gzipped: Buffer
}

// Where the build puts them: the same place seen from the sources and from what was built of them.
const folder = new URL('../../../dist/operate/ui/page/', import.meta.url)

const types = {
  'index.html': 'text/html; charset=utf-8',
  'console.js': 'text/javascript; charset=utf-8',
  'console.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
  'licences.txt': 'text/plain; charset=utf-8'
} as const

/** Reads the files of the page: some hundred kilobytes, kept as long as the app. */
export function readFiles (): PageFile[] {
  return Object.entries(types).map(([name, type]) => {
    const plain = readFileSync(new URL(name, folder))
    const etag = `W/"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
    return { name, type, etag, plain, gzipped: gzipSync(plain) }
  })
}
