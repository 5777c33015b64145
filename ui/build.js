// Builds the console page: one script, one style, and the licences of the packages in the script.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const source = import.meta.dirname
const target = join(source, '..', 'dist', 'operate', 'ui', 'page')
mkdirSync(target, { recursive: true })

const { metafile } = await build({
  absWorkingDir: join(source, '..'),
  entryPoints: [
    { in: join(source, 'page.ts'), out: 'console' },
    { in: join(source, 'console.css'), out: 'console' }
  ],
  outdir: target,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['es2022', 'chrome111', 'firefox114', 'safari16.4'],
  legalComments: 'none',
  metafile: true
})
for (const name of ['index.html', 'icon.svg']) copyFileSync(join(source, name), join(target, name))

const packages = new Set(
  Object.keys(metafile.inputs)
    .map((path) => /.*\bnode_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1])
    .filter((name) => name !== undefined)
)
const licences = [...packages].sort().map((name) => {
  const folder = join(source, '..', 'node_modules', name)
  const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  // Some packages have their licence in their repository only; a copy is in ui/licences.
  const file = [
    join(folder, 'LICENSE'),
    join(folder, 'LICENSE.md'),
    join(folder, 'license'),
    join(source, 'licences', `${name.replace('/', '+')}.txt`)
  ].find(existsSync)
  if (file === undefined) {
    throw new Error(`${name} has no licence file: copy the one of its repository into ui/licences`)
  }
  return `${name} ${version} (${license})\n\n${readFileSync(file, 'utf8')}`
})
writeFileSync(join(target, 'licences.txt'), licences.join('\n\n'))

// The module of the package that contains all files of the page.
const names = ['index.html', 'console.js', 'console.css', 'icon.svg', 'licences.txt']
const texts = Object.fromEntries(
  names.map((name) => [name, readFileSync(join(target, name), 'utf8')])
)
writeFileSync(join(target, '..', 'page.js'), `export const page = ${JSON.stringify(texts)}\n`)
