// The documents: their samples compile, their links lead somewhere, and their lists are complete.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import { clientErrors } from '../src/client/index.js'
import { settingsOf } from '../src/client/options.js'
import { closeCodes, errors } from '../src/index.js'
import type { AnyKind } from '../src/options/option-kinds.js'
import { optionTable, type Row } from '../src/options/option-table.js'

// A compiler takes its seconds, on a busy machine many.
const timeout = 300_000
t.setTimeout(timeout)

const root = process.cwd()
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'bench/README.md',
  ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map(
    (name) => `docs/${name}`
  )
]
  .filter((file) => existsSync(join(root, file)))

// Each fenced block is a module of its own. This is all that it may use without importing or
// declaring it.
const prelude = `
  import type { FastifyInstance } from 'fastify'
  import 'fastify-socket-route'
  declare global { const app: FastifyInstance }
`

/**
 * The blocks of a document that are fenced as TypeScript. Those of other languages, JavaScript too,
 * are not compiled.
 */
function blocksOf (markdown: string): Array<{ line: number, code: string }> {
  return [...markdown.matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => ({
    line: markdown.slice(0, match.index).split('\n').length,
    code: match[1]!
  }))
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
      // Under the name and at the line where it stands, so that the compiler's complaints lead
      // there.
      writeFileSync(
        join(directory, `${file.replaceAll('/', '-')}.${line}.ts`),
        '\n'.repeat(line) + code
      )
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
  const { code, output } = await promisify(execFile)(
    process.execPath,
    [tsc, '--noEmit', '--pretty', 'false', '-p', directory],
    { cwd: root }
  )
    .then(
      ({ stdout }) => ({ code: 0, output: stdout }),
      ({ code, stdout }: { code: number, stdout: string }) => ({ code, output: stdout })
    )
  t.equal(output, '')
  t.equal(code, 0)
})

t.test('the links of the documents lead to files and headings that are there', async (t) => {
  let count = 0
  for (const file of documents) {
    for (const [, link = '', anchor] of proseOf(read(file)).matchAll(
      /\]\(([^)#\s]*)(?:#([^)\s]*))?\)/g
    )) {
      if (/^[a-z]+:/.test(link)) continue
      const target = link === '' ? file : relative(root, resolve(root, dirname(file), link))
      count++
      if (!existsSync(join(root, target))) t.fail(`${file} links to ${target}`)
      else if (anchor !== undefined &&
        !anchorsOf(read(target)).includes(anchor)) t.fail(`${file} links to ${target}#${anchor}`)
    }
  }
  t.ok(count > 50, `${count} links`)
})

// A value as it is written in a program: 65_536, 'roles', { max: 100 }.
function codeOf (value: unknown): string {
  if (typeof value === 'number') return value.toLocaleString('en').replaceAll(',', '_')
  if (typeof value === 'string') return `'${value}'`
  if (Array.isArray(value)) return `[${value.map(codeOf).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const members = Object.entries(value).map(([name, member]) => `${name}: ${codeOf(member)}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

interface Told { readonly type: string, readonly byDefault: string, readonly level: number }

/**
 * The rows of docs/api.md by name; the level counts the tables: of all, of the plugin, of a route.
 */
function optionsOfApi (): Map<string, Told> {
  const section = read('docs/api.md').split(/^## /m).find((text) => text.startsWith('Options\n'))!
  const tables = section.split('| Option | Type | Default | Meaning |').slice(1)
  return new Map(tables.flatMap((table, level) =>
    [
      ...table.matchAll(/^\| `([\w.]+)` \| ([^|]*) \| ([^|]*)\|/gm)
    ].map(([, name, type, byDefault]) =>
      [name!, { type: type!, byDefault: byDefault!.trim(), level }] as const)))
}

/** The rows of the table of options, and of their members. */
function optionsOfTable (): Array<[name: string, kind: AnyKind, level: number]> {
  return Object.entries(optionTable).flatMap(([name, row]: [string, Row]) => {
    const level = row.levels.length === 3 ? 0 : row.levels[0] === 'plugin' ? 1 : 2
    const members = Object.entries(row.members ?? {})
    return [
      [name, row, level],
      ...members.map(([member, kind]) => [`${name}.${member}`, kind, level])
    ] as Array<[string, AnyKind, number]>
  })
}

// Their members have rows in other documents, or are told in that of the whole.
const toldAsWhole = /^(jwt|websocket)\./

t.test('docs/api.md has the options of the table, with levels, units and defaults', async (t) => {
  const told = optionsOfApi()
  const options = optionsOfTable().filter(([name]) => !toldAsWhole.test(name))
  t.ok(options.length > 50)
  t.strictSame([...told.keys()].sort(), options.map(([name]) => name).sort())
  for (const [name, kind, level] of options) {
    const row = told.get(name) ?? { type: '', byDefault: '', level: -1 }
    t.equal(row.level, level, `${name} stands in the table of its level`)
    if (kind.unit !== undefined) {
      t.match(
        row.type,
        /^(milliseconds|bytes)$/.test(kind.unit) ? kind.unit : 'number',
        `${name} has its unit`
      )
    }
    if (kind.default === undefined) t.notMatch(row.byDefault, /^`[\d'[{]/, `${name} has no default`)
    // The defaults of the members stand in their own rows.
    else if (kind.members === undefined || row.byDefault !== '') {
      t.equal(
        row.byDefault,
      `\`${codeOf(kind.default)}\``,
      `${name} has its default`
      )
    }
  }
})

// The interface of each option that is an object.
const interfaces: Readonly<Record<string, string>> = {
  HeartbeatOptions: 'heartbeat',
  ConnectionCaps: 'connections',
  RateOptions: 'rate',
  OutboxOptions: 'outbox',
  RefusalOptions: 'refusals'
}
const ofOptions = [
  'SharedOptions',
  'SocketScopeOptions',
  'SocketPluginOptions',
  'SocketRouteOptions'
]

/** The doc comment of each option. */
function commentsOf (file: string): Array<[name: string, comment: string]> {
  const properties = (node: ts.Node, whole: string): Array<[string, string]> => {
    const found: Array<[string, string]> = []
    const visit = (each: ts.Node): void => {
      if (!ts.isPropertySignature(each)) return ts.forEachChild(each, visit)
      const name = whole + each.name.getText()
      found.push([
        name,
        ts.getJSDocCommentsAndTags(each).map((comment) => comment.getText()).join(' ').replace(
          /\s*\*\/$/,
          ''
        ).replace(/\s*\n\s*\* ?/g, ' ')
      ])
      if (each.type !== undefined) found.push(...properties(each.type, `${name}.`))
    }
    ts.forEachChild(node, visit)
    return found
  }
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true)
  return source.statements.filter(ts.isInterfaceDeclaration).flatMap((declared) => {
    const name = declared.name.text
    if (ofOptions.includes(name)) return properties(declared, '')
    return name in interfaces ? properties(declared, `${interfaces[name]!}.`) : []
  })
}

t.test('the doc comments of the options tell the units and defaults of the table', async (t) => {
  const files = [
    'options/options',
    'connection/heartbeat',
    'upgrade/connection-limits',
    'connection/rate',
    'connection/outbox',
    'connection/invalid-message-limit'
  ]
  const comments = new Map(files.flatMap((file) => commentsOf(`src/${file}.ts`)))
  for (const [name, kind] of optionsOfTable().filter(([name]) => !toldAsWhole.test(name))) {
    const comment = comments.get(name) ?? ''
    t.not(comment, '', `${name} has a comment`)
    const byDefault = /@default (.*)$/.exec(comment)?.[1]
    if (kind.unit === 'milliseconds' || kind.unit === 'bytes') {
      t.match(comment.toLowerCase(), kind.unit, `${name} has its unit`)
    }
    if (kind.default === undefined) {
      t.notMatch(
        byDefault ?? '',
        /^[\d'[{](?!})/,
      `${name} has no default`
      )
    } else if (kind.members === undefined || byDefault !== undefined) {
      t.equal(
        byDefault,
        codeOf(kind.default),
      `${name} has its default`
      )
    }
  }
})

t.test('the defaults that docs/client.md tells are those of the client', async (t) => {
  const { renewBefore, timeout, connectTimeout, buffer, minDelay, maxDelay, ping } = settingsOf({})
  const told = {
    renewBefore,
    timeout,
    connectTimeout,
    buffer,
    'reconnect.minDelay': minDelay,
    'reconnect.maxDelay': maxDelay,
    'ping.interval': ping.interval,
    'ping.timeout': ping.timeout
  }
  const document = read('docs/client.md')
  for (const [name, value] of Object.entries(told)) {
    const [row] = new RegExp(`^\\| \`${name}\` \\|[^\\n]*$`, 'm').exec(document) ?? ['']
    t.ok(row.includes(`| \`${codeOf(value)}\` |`), `${name}: ${value}, ${row.slice(0, 80)}`)
  }
})

t.test('no entry of the changelog stands twice', async (t) => {
  const beginnings = [...read('CHANGELOG.md').matchAll(/^- (.{50})/gm)].map(([, text]) => text!)
  t.ok(beginnings.length > 100)
  t.strictSame(beginnings.filter((text, index) => beginnings.indexOf(text) < index), [])
})

t.test('docs/api.md has every public name', async (t) => {
  const api = read('docs/api.md')
  const names = [...read('src/index.ts').matchAll(/\{([^}]*)\}/g)].flatMap(
    ([, list]) => list!.split(',')
  )
    .map((name) => name.trim().replace('type ', '')).filter((name) => name !== 'default')
  t.ok(names.length > 30)
  for (const name of names) t.ok(new RegExp(`\\b${name}\\b`).test(api), name)
})

t.test('docs/client.md has every option, default, name and code of the client', async (t) => {
  const client = read('docs/client.md')
  const options = [
    ...read('src/client/options.ts').matchAll(/\/\*\*((?:(?!\*\/)[^])*)\*\/\s*readonly (\w+)\?:/g)
  ]
  t.ok(options.length > 10)
  for (const [, comment, name] of options) {
    const rows = [
      ...client.matchAll(new RegExp(`^\\| \`(?:reconnect\\.|ping\\.)?${name!}\` \\|[^\\n]*$`, 'gm'))
    ].map(String)
    t.ok(rows.length > 0, name!)
    const given = /@default (\d\S*)/.exec(comment!)?.[1]
    if (given !== undefined) {
      t.ok(rows.some((row) => row.includes(`\`${given}\``)), `${name!} has the default ${given}`)
    }
  }
  const names = [
    ...read('src/client/index.ts').matchAll(/^export (?:type )?\{([^}]*)\}/gm)
  ].flatMap(
    ([, list]) => list!.split(',')
  ).map((name) => name.trim())
  t.ok(names.length > 20)
  for (const name of names) t.ok(new RegExp(`\\b${name}\\b`).test(client), name)
  t.strictSame(
    [...client.matchAll(/^\| `(\w+)` \| `(FSR_CLIENT_\w+)` \|/gm)].map(([, name, code]) => [
      name,
      code
    ]),
    Object.entries(clientErrors)
  )
})

t.test('docs/errors.md has each close code, its reason and whether to reconnect', async (t) => {
  const rows = [
    ...read('docs/errors.md').matchAll(/^\| `(\w+)` \| (\d{4}) \| `'(.*)'` \|.*\| ([^|]*) \|$/gm)
  ]
  t.strictSame(
    rows.map(([, name, code, reason, again]) => [name, Number(code), reason, again]),
    Object.entries(closeCodes).map(([name, { code, reason, reconnect }]) => [
      name,
      code,
      reason,
      reconnect === 'jitter' ? 'after a random delay' : reconnect ? 'yes' : 'no'
    ])
  )
})

t.test('no document speaks of an error that there is not', async (t) => {
  const codes = Object.values(errors).map((Constructor) => new Constructor().code)
  for (const file of documents) {
    for (const [code] of read(file).matchAll(/FSR_ERR_\w+/g)) {
      if (code !== 'FSR_ERR_' && !codes.includes(code)) t.fail(`${file} has ${code}`)
    }
  }
  t.pass('all are known')
})
