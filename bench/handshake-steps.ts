// What share of a guarded upgrade each step has that docs/lifecycle.md tells of: `npm run
// bench:handshake`. It runs the job for SECONDS (5) and looks at a profile of the plugin's server.
// What is called, native functions too, counts for the innermost step that called it.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jobs } from './jobs.js'
import { configOf, measure, startLoad, startServer, type Scale } from './measure.js'
import { prepare } from './prepare.js'

interface Node {
  readonly id: number
  readonly callFrame: { readonly functionName: string, readonly url: string }
  readonly children?: readonly number[]
}
interface Profile {
  readonly nodes: readonly Node[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

// The first that fits a function is its step: by the end of its file's address and its name.
const steps: ReadonlyArray<readonly [step: string, file: RegExp, name?: RegExp]> = [
  ['listeners to upgrade', /dist\/upgrade\/(handshakes|query)\.js$/],
  ['onRequest of the route', /dist\/upgrade\/(handshake|origin)\.js$/],
  ['request.jwtVerify()', /node_modules\/(@fastify\/jwt|fast-jwt)\//],
  ['finding the token, reading its claims', /dist\/upgrade\/(token|ticket)\.js$/],
  ['revoked, roles', /dist\/upgrade\/(admission|grant|revocation)\.js$/],
  ['preHandler of the route', /dist\/upgrade\/caps\.js$/],
  ['preHandler of the route', /dist\/upgrade\/route\.js$/, /begin|refusal|preHandler/],
  ['controller/dispatch', /dist\/upgrade\/route\.js$/, /upgraded/],
  ['onRequest of the route', /dist\/upgrade\/route\.js$/],
  ['the 101', /node_modules\/ws\/|dist\/connection\/(lazy|fast)-socket\.js$/],
  ['the 101', /@fastify\/websocket\//, /handleUpgrade|routeOptions\.handler/],
  ['@fastify/websocket: a response, its hook', /@fastify\/websocket\//],
  ['letting go of the request', /dist\/connection\/kept-\w+\.js$/],
  ['controller/dispatch', /dist\/(controller|connection|room)\//],
  [
    'Fastify, from hook to hook',
    /node_modules\/fastify\/lib\/(hooks|handle-request|validation|wrap-thenable)\.js$/
  ],
  ['Fastify: routing, Request, Reply', /node_modules\/(fastify|find-my-way|@fastify)\//]
]
// Node takes the connection, reads the request, and ends the connection: the same for any server.
const OTHER = 'besides: Node alone'
const idle = /^\((idle|program|garbage collector)\)$/

/** Microseconds of each step, in the last part of a profile. */
function sharesOf ({ nodes, samples, timeDeltas }: Profile, last: number): Map<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const stepOf = new Map<number, string>()
  const visit = (node: Node, outer: string): void => {
    const { url, functionName } = node.callFrame
    const step = steps.find(([, file, name]) => file.test(url) &&
      (name === undefined || name.test(functionName)))?.[0] ??
      outer
    stepOf.set(node.id, step)
    for (const child of node.children ?? []) visit(byId.get(child)!, step)
  }
  visit(nodes[0]!, OTHER)
  const shares = new Map<string, number>()
  let left = last
  for (let index = samples.length - 1; index >= 0 && left > 0; index--) {
    const [id, time] = [samples[index]!, timeDeltas[index]!]
    left -= time
    if (!idle.test(byId.get(id)!.callFrame.functionName)) {
      shares.set(stepOf.get(id)!, (shares.get(stepOf.get(id)!) ?? 0) + time)
    }
  }
  return shares
}

const seconds = Number(process.env['SECONDS'] ?? 5)
const scale: Scale = { seconds, warmUp: 0.5, settle: 300, pause: 100, connections: Infinity }
const job = jobs.find(({ work }) => work.kind === 'handshakes' && work.isGuarded)!
prepare()
const directory = mkdtempSync(join(tmpdir(), 'fastify-socket-route-'))
try {
  const server = await startServer('plugin', configOf(job, 'plugin', scale), [
    '--cpu-prof',
    '--cpu-prof-interval=200',
    `--cpu-prof-dir=${directory}`
  ])
  const load = startLoad()
  try {
    await measure(job, 'plugin', server, load, scale)
  } finally {
    await Promise.all([load.stop(), server.child.end()])
  }
  const [file] = readdirSync(directory)
  const shares = sharesOf(
    JSON.parse(readFileSync(join(directory, file!), 'utf8')) as Profile,
    seconds * 1e6
  )
  const sum = [...shares].reduce((sum, [step, time]) => step === OTHER ? sum : sum + time, 0)
  for (const step of new Set([...steps.map(([step]) => step), OTHER])) {
    console.log(
      `${step.padEnd(42)}${((shares.get(step) ?? 0) / sum * 100).toFixed(1).padStart(5)} %`
    )
  }
} finally {
  rmSync(directory, { recursive: true })
}
