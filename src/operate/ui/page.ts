import { readFileSync } from 'node:fs'

const names = ['index.html', 'console.js', 'console.css', 'icon.svg', 'licences.txt'] as const

export type PageFileName = typeof names[number]

// The output folder of the build, relative to the compiled sources.
const folder = new URL('../../../dist/operate/ui/page/', import.meta.url)

/**
 * The text of each file of the page. In the package, the build replaces this module by one that
 * contains the texts, so that a bundler includes them.
 */
export const page = Object.fromEntries(
  names.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')])
) as Record<PageFileName, string>
