// What the documents say: their samples compile, their links lead somewhere, and what they list is what there is.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { clientErrors } from '../src/client/index.js'
import { settingsOf } from '../src/client/options.js'
import { closeCodes, errors } from '../src/index.js'
import { resolvePlugin } from '../src/options/plugin-settings.js'
import { defaults } from '../src/options/resolve-options.js'

// A compiler takes its seconds, on a busy machine many.
const timeout = 300_000
t.setTimeout(timeout)

const root = process.cwd()
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'bench/README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
  .filter((file) => existsSync(join(root, file)))

// Each fenced block is a module of its own. This is all that it may use without importing or declaring it.
const prelude = `
  import type { FastifyInstance } from 'fastify'
  import 'fastify-socket-route'
  declare global { const app: FastifyInstance }
`

/** The blocks of a document that are fenced as TypeScript. Those of other languages, JavaScript too, are not compiled. */
function blocksOf (markdown: string): Array<{ line: number, code: string }> {
  return [...markdown.matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => ({ line: markdown.slice(0, match.index).split('\n').length, code: match[1]! }))
}

/** A document without what is in code blocks. */
function proseOf (markdown: string): string {
  return markdown.replace(/^```[^]*?^```$/gm, '')
}

/** The anchors that a repository browser gives the headings of a document. */
function anchorsOf (markdown: string): string[] {
  const counts = new Map<string, number>()
  return [...proseOf(markdown).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => {
    const text = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    const anchor = text.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
    const count = counts.get(anchor) ?? 0
    counts.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  })
}

t.test('the samples of the documents compile', { timeout }, async (t) => {
  // Not in a test directory: the samples import what the repository has installed.
  const directory = join(root, '.tap', 'docs')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  t.teardown(() => { rmSync(directory, { recursive: true, force: true }) })

  let count = 0
  for (const file of documents) {
    for (const { line, code } of blocksOf(read(file))) {
      // Under the name and at the line where it stands, so that the compiler's complaints lead there.
      writeFileSync(join(directory, `${file.replaceAll('/', '-')}.${line}.ts`), '\n'.repeat(line) + code)
      count++
    }
  }
  t.ok(count > 30, `${count} samples`)
  writeFileSync(join(directory, 'prelude.d.ts'), prelude)
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({
    extends: '../../tsconfig.json',
    // A sample may leave what it declares to its reader.
    compilerOptions: { moduleDetection: 'force', noUnusedLocals: false, noUnusedParameters: false },
    include: ['.'],
    exclude: []
  }))
  const tsc = join(root, 'node_modules', 'typescript-7', 'lib', 'tsc.js')
  const { code, output } = await promisify(execFile)(process.execPath, [tsc, '--noEmit', '--pretty', 'false', '-p', directory], { cwd: root })
    .then(({ stdout }) => ({ code: 0, output: stdout }), ({ code, stdout }: { code: number, stdout: string }) => ({ code, output: stdout }))
  t.equal(output, '')
  t.equal(code, 0)
})

t.test('the links of the documents lead to files and headings that are there', async (t) => {
  let count = 0
  for (const file of documents) {
    for (const [, link = '', anchor] of proseOf(read(file)).matchAll(/\]\(([^)#\s]*)(?:#([^)\s]*))?\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      const target = link === '' ? file : relative(root, resolve(root, dirname(file), link))
      count++
      if (!existsSync(join(root, target))) t.fail(`${file} links to ${target}`)
      else if (anchor !== undefined && !anchorsOf(read(target)).includes(anchor)) t.fail(`${file} links to ${target}#${anchor}`)
    }
  }
  t.ok(count > 50, `${count} links`)
})

t.test('docs/api.md has every option, with its default', async (t) => {
  const api = read('docs/api.md')
  const sources = ['src/options/options.ts', 'src/connection/outbox.ts'].map(read).join('\n')
  const interfaces = [...sources.matchAll(/^export interface (\w*Options)\b[^]*?^\}/gm)].filter(([, name]) => name !== 'Options').map(([text]) => text).join('\n')
  const options = [...interfaces.matchAll(/(?:\/\*\*((?:(?!\*\/)[^])*)\*\/\s*)?readonly (\w+)\?:/g)]
  t.ok(options.length > 20)
  for (const [, comment = '', name] of options) {
    // Several, where options of different objects have one name.
    const rows = [...api.matchAll(new RegExp(`^\\| \`(?:\\w+\\.)?${name}\` \\|[^\\n]*$`, 'gm'))].map(String)
    t.ok(rows.length > 0, name!)
    // Those that are said in words are not compared.
    const given = /@default ([['{\d].*?)\s*(?:\*|$)/.exec(comment)?.[1]
    if (given !== undefined) t.ok(rows.some((row) => row.includes(`\`${given}\``)), `${name} has the default ${given}`)
  }
})

t.test('the defaults that the documents tell are those of the code', async (t) => {
  const { heartbeat, refusals, maxPayload, concurrency, roomsPerConnection, streamsPerConnection, closeTimeout, outboxLimit } = defaults
  const { drain, tickets, handshakeTimeout, outboxBudget, limitsOf } = resolvePlugin({}, defaults, { isRegistered: false, pluginTimeout: 0 })
  const { compression } = resolvePlugin({ compression: true }, defaults, { isRegistered: false, pluginTimeout: 0 })
  const { renewBefore, timeout, connectTimeout, buffer, minDelay, maxDelay, ping } = settingsOf({})
  const partsOf = (name: string, parts: object) => Object.entries(parts).map(([part, value]) => [`${name}.${part}`, value])
  const told = {
    'docs/api.md': [
      ...partsOf('heartbeat', heartbeat as object), ...partsOf('refusals', refusals as object), ...partsOf('drain', drain),
      ...Object.entries({ maxPayload, concurrency, roomsPerConnection, streamsPerConnection, closeTimeout, handshakeTimeout, outboxBudget }),
      ['maxFragments', limitsOf(maxPayload).maxFragments], ['outbox.limit', outboxLimit], ['tickets.ttl', tickets.ttl],
      ['compression.threshold', compression!.threshold]
    ],
    'docs/client.md': [
      ...Object.entries({ renewBefore, timeout, connectTimeout, buffer }), ['reconnect.minDelay', minDelay], ['reconnect.maxDelay', maxDelay],
      ...partsOf('ping', ping)
    ]
  }
  for (const [file, options] of Object.entries(told)) {
    const document = read(file)
    for (const [name, value] of options) {
      const [row] = new RegExp(`^\\| \`${String(name)}\` \\|[^\\n]*$`, 'm').exec(document) ?? ['']
      t.ok(row.includes(`| \`${(value as number).toLocaleString('en').replaceAll(',', '_')}\` |`), `${String(name)}: ${String(value)}, ${row.slice(0, 80)}`)
    }
  }
})

t.test('no entry of the changelog stands twice', async (t) => {
  const beginnings = [...read('CHANGELOG.md').matchAll(/^- (.{50})/gm)].map(([, text]) => text!)
  t.ok(beginnings.length > 100)
  t.strictSame(beginnings.filter((text, index) => beginnings.indexOf(text) < index), [])
})

t.test('docs/api.md has every public name', async (t) => {
  const api = read('docs/api.md')
  const names = [...read('src/index.ts').matchAll(/\{([^}]*)\}/g)].flatMap(([, list]) => list!.split(','))
    .map((name) => name.trim().replace('type ', '')).filter((name) => name !== 'default')
  t.ok(names.length > 30)
  for (const name of names) t.ok(new RegExp(`\\b${name}\\b`).test(api), name)
})

t.test('docs/client.md has every option of the client, with its default, every name and every code', async (t) => {
  const client = read('docs/client.md')
  const options = [...read('src/client/options.ts').matchAll(/\/\*\*((?:(?!\*\/)[^])*)\*\/\s*readonly (\w+)\?:/g)]
  t.ok(options.length > 10)
  for (const [, comment, name] of options) {
    const rows = [...client.matchAll(new RegExp(`^\\| \`(?:reconnect\\.|ping\\.)?${name!}\` \\|[^\\n]*$`, 'gm'))].map(String)
    t.ok(rows.length > 0, name!)
    const given = /@default (\d\S*)/.exec(comment!)?.[1]
    if (given !== undefined) t.ok(rows.some((row) => row.includes(`\`${given}\``)), `${name!} has the default ${given}`)
  }
  const names = [...read('src/client/index.ts').matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) => list!.split(',')).map((name) => name.trim())
  t.ok(names.length > 20)
  for (const name of names) t.ok(new RegExp(`\\b${name}\\b`).test(client), name)
  t.strictSame([...client.matchAll(/^\| `(\w+)` \| `(FSR_CLIENT_\w+)` \|/gm)].map(([, name, code]) => [name, code]), Object.entries(clientErrors))
})

t.test('docs/errors.md has each close code, with its reason and whether to connect again', async (t) => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `(\w+)` \| (\d{4}) \| `'(.*)'` \|.*\| ([^|]*) \|$/gm)]
  t.strictSame(
    rows.map(([, name, code, reason, again]) => [name, Number(code), reason, again]),
    Object.entries(closeCodes).map(([name, { code, reason, reconnect }]) => [name, code, reason, reconnect === 'jitter' ? 'after a random delay' : reconnect ? 'yes' : 'no'])
  )
})

t.test('no document speaks of an error that there is not', async (t) => {
  const codes = Object.values(errors).map((Constructor) => new Constructor().code)
  for (const file of documents) {
    for (const [code] of read(file).matchAll(/FSR_ERR_\w+/g)) if (code !== 'FSR_ERR_' && !codes.includes(code)) t.fail(`${file} has ${code}`)
  }
  t.pass('all are known')
})
