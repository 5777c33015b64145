import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { page, type PageFileName } from './page.js'

/** A file of the page, ready to be sent. */
export interface PageFile {
  readonly name: string
  readonly type: string
  /**
   * A hash of the content (RFC 9110 section 8.8.3). Weak, as the plain and the gzipped form share
   * it.
   */
  readonly etag: string
  readonly plain: Buffer
  readonly gzipped: Buffer
}

const types: Readonly<Record<PageFileName, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'console.js': 'text/javascript; charset=utf-8',
  'console.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
  'licences.txt': 'text/plain; charset=utf-8'
}

/** Returns the files of the page: some hundred kilobytes, kept as long as the app. */
export function readFiles (): PageFile[] {
  return Object.entries(types).map(([name, type]) => {
    const plain = Buffer.from(page[name as PageFileName])
    const etag = `W/"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
    return { name, type, etag, plain, gzipped: gzipSync(plain) }
  })
}
