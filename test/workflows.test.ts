// The workflows of GitHub cannot run here. They parse, and the names in them exist.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'

interface Step { uses?: string, run?: string, with?: Record<string, unknown> }
interface Job {
  permissions?: Record<string, string>
  steps: Step[]
  strategy?: { matrix: Record<string, string[]> }
  'timeout-minutes'?: number
}
interface Workflow { permissions: Record<string, string>, jobs: Record<string, Job> }
interface Form { name: string, description: string, body: Field[] }
interface Field { id: string, type: string, attributes: { label: string } }
interface Updates { updates: Array<{ 'package-ecosystem': string, directories?: string[] }> }

const folder = '.github/workflows'
const read = (file: string) => readFileSync(file, 'utf8')
const names = readdirSync(folder).filter((name) => name.endsWith('.yml'))
const texts = names.map((name) => read(join(folder, name)))
const workflows = texts.map((text) => parse(text) as Workflow)
const jobs = workflows.flatMap((workflow, index) =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ name: `${names[index]!}: ${name}`, job })))
const steps = jobs.flatMap(({ name, job }) => job.steps.map((step) => ({ name, step })))
const commands = steps.map(({ step }) => step.run ?? '')
const manifest = JSON.parse(read('package.json')) as
  { scripts: Record<string, string>, engines: { node: string } }

/** The values of a matrix. */
function matrixOf (name: string, key: string): string[] {
  return jobs.find((job) => job.name === name)!.job.strategy!.matrix[key]!
}

t.test('every job has a time limit', async (t) => {
  t.ok(jobs.length > 8)
  for (const { name, job } of jobs) t.ok(job['timeout-minutes']! > 0, name)
})

t.test('workflows read the repository, and only three jobs may write', async (t) => {
  for (const { permissions } of workflows) t.strictSame(permissions, { contents: 'read' })
  const writing = jobs.filter(({ job }) => Object.values(job.permissions ?? {}).includes('write'))
  t.strictSame(writing.map(({ name, job }) => [name, job.permissions]), [
    ['codeql.yml: analyze', { contents: 'read', 'security-events': 'write' }],
    ['release.yml: publish', { contents: 'read', 'id-token': 'write' }],
    ['release.yml: notes', { contents: 'write' }]
  ])
})

t.test('each action is pinned to one commit, with its version beside it', async (t) => {
  const lines = texts.flatMap((text) => [...text.matchAll(/uses: (.*)/g)].map(([, line]) => line!))
  t.ok(lines.length > 10)
  const pins = new Map<string, string>()
  const form = /^([\w-]+\/[\w-]+)[\w/-]*@([\da-f]{40} # v\d+\.\d+\.\d+)$/
  for (const line of lines) {
    const [, action, pin] = form.exec(line) ?? []
    t.ok(pin, line)
    t.match(action, /^(actions|github)\//)
    t.equal(pins.get(action!) ?? pin, pin, line)
    pins.set(action!, pin!)
  }
})

t.test('no checkout leaves its token for the steps after it', async (t) => {
  const checkouts = steps.filter(({ step }) => step.uses?.startsWith('actions/checkout@'))
  t.ok(checkouts.length > 8)
  for (const { name, step } of checkouts) t.equal(step.with?.['persist-credentials'], false, name)
})

t.test('the scripts, files and tests that steps name exist', async (t) => {
  const scripts = commands.flatMap((command) =>
    [...command.matchAll(/\bnpm (?:run ([\w:]+)|(test)\b)/g)].map(([, run, test]) => run ?? test!))
  t.ok(scripts.length > 5)
  t.strictSame(scripts.filter((script) => manifest.scripts[script] === undefined), [])
  const files = commands.flatMap((command) =>
    [...command.matchAll(/(?:^|\s)((?:\.ci|test|tools)\/[\w./-]+)/g)].map(([, file]) => file!))
  t.ok(files.length > 8)
  t.strictSame(files.filter((file) => !existsSync(file)), [])
})

t.test('no input of an event becomes a part of a command', async (t) => {
  t.strictSame(commands.filter((command) => /\$\{\{(?! matrix\.)/.test(command)), [])
})

t.test('tests run on the oldest Node of engines, and on each that test:nodes names', async (t) => {
  const list = /^const versions = .*\[(.*)\]$/m.exec(read('test/support/nodes.js'))![1]!
  const others = [...list.matchAll(/'(\d+)'/g)].map(([, version]) => version!)
  t.ok(others.length > 2)
  const oldest = manifest.engines.node.replace('>=', '')
  t.strictSame(matrixOf('ci.yml: nodes', 'node'), [oldest, ...others])
})

t.test('test:versions runs with each of its versions', async (t) => {
  const code = read('test/support/versions.js')
  const known = [...code.matchAll(/^ {2}(\w+): \(\) => /gm)].map(([, name]) => name!)
  t.strictSame(known, ['oldest', 'newest', 'next'])
  t.strictSame(matrixOf('ci.yml: versions', 'versions'), ['oldest', 'newest'])
  const whole = commands.map((command) => /test:versions -- (\w+)$/.exec(command)?.[1])
  t.strictSame(whole.filter((name) => name !== undefined), ['newest', 'next'])
})

t.test('Dependabot updates each folder with a lock file, and the actions', async (t) => {
  const { updates } = parse(read('.github/dependabot.yml')) as Updates
  const ecosystems = updates.map((update) => update['package-ecosystem'])
  t.strictSame(ecosystems, ['npm', 'github-actions'])
  const folders = ['', ...readdirSync('.')]
  const locked = folders.filter((name) => existsSync(join(name, 'package-lock.json')))
  t.strictSame(updates[0]!.directories!.sort(), locked.map((name) => `/${name}`).sort())
})

t.test('each field of a form for issues has an id of its own and a label', async (t) => {
  const forms = readdirSync('.github/ISSUE_TEMPLATE').filter((name) => name !== 'config.yml')
  t.ok(forms.length > 1)
  for (const form of forms) {
    const { name, description, body } = parse(read(join('.github/ISSUE_TEMPLATE', form))) as Form
    t.ok(name && description, form)
    t.equal(new Set(body.map(({ id }) => id)).size, body.length)
    t.ok(body.every(({ attributes }) => attributes.label), form)
    t.ok(body.every(({ type }) => ['textarea', 'input', 'dropdown'].includes(type)), form)
  }
})

t.test('the form for bugs tells to report a weakness in private', async (t) => {
  const { description } = parse(read('.github/ISSUE_TEMPLATE/bug.yml')) as Form
  t.match(description, /weakness.*SECURITY\.md/)
})
