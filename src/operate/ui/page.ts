import { readFileSync } from 'node:fs'

const names = ['index.html', 'console.js', 'console.css', 'icon.svg', 'licences.txt'] as const

export type PageFileName = typeof names[number]

// Where the build puts them, as seen from what the sources are compiled to.
const folder = new URL('../../../dist/operate/ui/page/', import.meta.url)

/**
 * The text of each file of the page. In the package the build has replaced this module by one that has the texts in it, so that a
 * bundler takes them along.
 */
export const page = Object.fromEntries(names.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')])) as Record<PageFileName, string>
