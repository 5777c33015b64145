// The workflows of GitHub cannot be run here. They parse, and what they name is there.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'

interface Step { uses?: string, run?: string, with?: Record<string, unknown> }
interface Job {
  container?: string
  permissions?: Record<string, string>
  steps: Step[]
  strategy?: { matrix: Record<string, string[]> }
  'timeout-minutes'?: number
}
interface Workflow { on: object, permissions: Record<string, string>, jobs: Record<string, Job> }

const folder = '.github/workflows'
const read = (file: string) => readFileSync(file, 'utf8')
const names = readdirSync(folder).filter((name) => name.endsWith('.yml'))
const workflows = new Map(names.map((name) => [name, parse(read(join(folder, name))) as Workflow]))
const jobs = [...workflows].flatMap(([file, workflow]) => Object.entries(workflow.jobs).map(([name, job]) => ({ name: `${file}: ${name}`, job, workflow })))
const steps = jobs.flatMap(({ name, job }) => job.steps.map((step) => ({ name, step })))
const { scripts, engines } = JSON.parse(read('package.json')) as { scripts: Record<string, string>, engines: { node: string } }

t.test('every workflow has jobs with a time limit, and reads the repository alone unless a job says more', async (t) => {
  t.ok(jobs.length > 8)
  for (const { name, job, workflow } of jobs) {
    t.ok(job['timeout-minutes']! > 0, name)
    t.strictSame(workflow.permissions, { contents: 'read' }, name)
  }
  const writing = jobs.filter(({ job }) => Object.values(job.permissions ?? {}).includes('write')).map(({ name }) => name)
  t.strictSame(writing, ['codeql.yml: analyze', 'release.yml: publish', 'release.yml: notes'])
})

t.test('every action is pinned by its commit, and the token of a checkout is not kept', async (t) => {
  const uses = steps.filter(({ step }) => step.uses !== undefined)
  t.ok(uses.length > 10)
  for (const { name, step } of uses) {
    t.match(step.uses, /^(actions|github)\/[\w/-]+@[\da-f]{40}$/, name)
    if (step.uses!.startsWith('actions/checkout@')) t.equal(step.with?.['persist-credentials'], false, name)
  }
  // One commit for an action, and its version beside it.
  const pins = names.flatMap((name) => [...read(join(folder, name)).matchAll(/uses: (.*)/g)].map(([, pin]) => pin!))
  for (const pin of pins) t.match(pin, / # v\d+\.\d+\.\d+$/)
  t.equal(new Set(pins.map((pin) => pin.replace(/^([\w-]+\/[\w-]+).*@/, '$1@'))).size, new Set(pins.map((pin) => /^[\w-]+\/[\w-]+/.exec(pin)![0])).size)
})

t.test('what a workflow runs is there: scripts of package.json, files, tests', async (t) => {
  const commands = steps.map(({ step }) => step.run ?? '')
  const ran = commands.flatMap((command) => [...command.matchAll(/\bnpm (?:run ([\w:]+)|(test)\b)/g)].map(([, script, test]) => script ?? test!))
  t.ok(ran.length > 5)
  t.strictSame(ran.filter((script) => scripts[script] === undefined), [])
  const files = commands.flatMap((command) => [...command.matchAll(/(?:^|\s)((?:\.ci|test|tools)\/[\w./-]+)/g)].map(([, file]) => file!))
  t.ok(files.length > 8)
  t.strictSame(files.filter((file) => !existsSync(file)), [])
})

t.test('no input of an event becomes a part of a command', async (t) => {
  t.strictSame(steps.filter(({ step }) => /\$\{\{(?! matrix\.)/.test(step.run ?? '')).map(({ name }) => name), [])
})

t.test('tests run on the oldest Node of engines, and on each that test:nodes names', async (t) => {
  const others = [.../^const versions = .*\[(.*)\]$/m.exec(read('test/support/nodes.js'))![1]!.matchAll(/'(\d+)'/g)].map(([, version]) => version!)
  t.ok(others.length > 2)
  t.strictSame(workflows.get('ci.yml')!.jobs['nodes']!.strategy!.matrix['node'], [engines.node.replace('>=', ''), ...others])
})

t.test('the versions that workflows name are those that test:versions knows', async (t) => {
  const known = [...read('test/support/versions.js').matchAll(/^ {2}(\w+): \(\) => /gm)].map(([, name]) => name!)
  t.strictSame(known, ['oldest', 'newest', 'next'])
  const nightly = Object.values(workflows.get('upstream.yml')!.jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => /test:versions -- (\w+)$/.exec(run ?? '')?.[1] ?? []))
  t.strictSame([...workflows.get('ci.yml')!.jobs['versions']!.strategy!.matrix['versions']!, ...nightly].sort(), ['newest', 'newest', 'next', 'oldest'])
})

t.test('dependabot looks at each folder with a lock file, and at the actions', async (t) => {
  const { updates } = parse(read('.github/dependabot.yml')) as { updates: Array<{ 'package-ecosystem': string, directories?: string[] }> }
  t.strictSame(updates.map((update) => update['package-ecosystem']), ['npm', 'github-actions'])
  const locked = ['.', ...readdirSync('.')].filter((name) => existsSync(join(name, 'package-lock.json'))).map((name) => name === '.' ? '/' : `/${name}`)
  t.strictSame(updates[0]!.directories!.sort(), locked.sort())
})

t.test('the forms for issues have fields with an id of their own', async (t) => {
  const forms = readdirSync('.github/ISSUE_TEMPLATE').filter((name) => name !== 'config.yml')
  t.ok(forms.length > 1)
  for (const form of forms) {
    const { name, description, body } = parse(read(join('.github/ISSUE_TEMPLATE', form))) as { name: string, description: string, body: Array<{ id: string, type: string, attributes: { label: string } }> }
    t.ok(name && description, form)
    t.equal(new Set(body.map(({ id }) => id)).size, body.length)
    for (const { type, attributes } of body) t.ok(['textarea', 'input', 'dropdown'].includes(type) && attributes.label)
  }
  t.match(parse(read('.github/ISSUE_TEMPLATE/config.yml')), { contact_links: [{ url: /security\/advisories\/new$/ }] })
})
