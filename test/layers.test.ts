import { readdirSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import t from 'tap'

// From what looks after everything to what everything uses: imports go down this list, never up.
const layers = ['index', 'plugin', 'operate', 'upgrade', 'controller', 'room', 'connection', 'message', 'errors', 'close-codes', 'log', 'clock', 'thenable']

const all = readdirSync('src', { recursive: true })
  .map((name) => normalize(String(name)))
  .filter((name) => name.endsWith('.ts'))
// The client is a program of its own, for browsers too.
const clients = all.filter((name) => name.startsWith('client/'))
const sources = all.filter((name) => !clients.includes(name))
const layerOf = (file: string) => file.replace(/\.ts$/, '').split('/')[0]!
const read = (file: string) => readFileSync(join('src', file), 'utf8')

t.test('every source file has a place among the layers', async (t) => {
  for (const file of sources) t.ok(layers.includes(layerOf(file)), file)
})

t.test('imports go down the layers', async (t) => {
  let count = 0
  for (const file of sources) {
    for (const [, imported] of read(file).matchAll(/from '(\.[^']*)\.js'/g)) {
      const target = normalize(join(file, '..', imported!))
      t.ok(layers.indexOf(layerOf(file)) <= layers.indexOf(layerOf(target)), `${file} imports ${target}`)
      count++
    }
  }
  t.ok(count > 30)
})

t.test('the client imports nothing but itself and partysocket, and the server nothing of the client', async (t) => {
  t.ok(clients.length > 10)
  for (const file of clients) {
    for (const [, imported] of read(file).matchAll(/(?:from|import) *\(?'([^']*)'/g)) {
      if (imported === 'partysocket/ws') t.equal(file, 'client/transport.ts')
      else t.match(imported, /^\.\/[\w-]+\.js$/, `${file} imports ${imported}`)
    }
  }
  for (const file of sources) t.notMatch(read(file), /from '[^']*client\//, file)
})

t.test('imports form no circle', async (t) => {
  const graph = new Map(all.map((file) => [file, [...read(file).matchAll(/from '(\.[^']*)\.js'/g)].map(([, imported]) => `${normalize(join(file, '..', imported!))}.ts`)]))
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) t.fail(`${[...path, file].join(' → ')}`)
    else for (const next of graph.get(file) ?? t.fail(`${file} is missing`) as never) visit(next, [...path, file])
  }
  for (const file of all) visit(file, [])
  t.pass('each was followed to its end')
})

t.test('the core does without the AsyncAPI document, and what that needs', async (t) => {
  const isPart = (file: string) => file.startsWith('operate/asyncapi/')
  t.ok(sources.filter(isPart).length > 10)
  for (const file of sources) {
    const imported = [...read(file).matchAll(/from '([^']*)'/g)].map(([, name]) => name!)
    t.equal(imported.includes('yaml'), file === 'operate/asyncapi/plugin.ts', file)
    if (!isPart(file)) t.notOk(imported.some((name) => name.includes('asyncapi')), file)
  }
})

// Invariant 1
t.test('only one file calls the callbacks of controllers, and one that is such a controller itself', async (t) => {
  for (const file of sources) t.equal(/\bon(Open|Message|Close|Error)\.call\(|controller\.on\w+!?\(/.test(read(file)), ['controller/callbacks.ts', 'controller/conversation.ts'].includes(file), file)
})

// Invariant 2
t.test('only the outbox writes to a socket, or has a fast one do it', async (t) => {
  for (const file of sources) {
    t.equal(/[sS]ocket!?\.(send|close|ping|pong|write|end)\(/.test(read(file)), ['connection/outbox.ts', 'connection/lazy-socket.ts'].includes(file), file)
    t.equal(/\.writeFrames\(/.test(read(file)), file === 'connection/outbox.ts', file)
  }
})

t.test('only one file touches what is not public in ws', async (t) => {
  for (const file of sources) t.equal(/[\w!?\])]\._[a-z]|'_[a-z]|\b_[a-z]+State/.test(read(file)), file === 'connection/lazy-socket.ts', file)
})

// Invariant 7
t.test('nothing starts a timer but the shared deadlines, the drain, and a request that is waited for', async (t) => {
  for (const file of sources) t.equal(/[cC]lock\.(after|every)\(/.test(read(file)), ['connection/deadlines.ts', 'connection/exchange.ts', 'connection/expiry.ts', 'connection/heartbeat.ts', 'operate/drain.ts'].includes(file), file)
})

t.test('only the clock knows the time of the machine', async (t) => {
  for (const file of sources) t.equal(/\b(setTimeout|setInterval|performance\.now|Date\.now|new Date|hrtime)\(|node:timers/.test(read(file)), file === 'clock.ts', file)
})

t.test('no source speaks to the console, reads the environment, or listens to the process', async (t) => {
  for (const file of all) t.notMatch(read(file), /\bconsole\.\w+\(|\bprocess\.[a-z]/, file)
})

t.test('whether something is a promise is asked in one place, and lines are logged in one', async (t) => {
  for (const file of sources) {
    t.equal(/instanceof Promise\b|\bisPromise\(|\.then === 'function'|readonly then\?/.test(read(file)), ['thenable.ts', 'message/outbound.ts'].includes(file), file)
    // What looks after the app as a whole may fail with it.
    t.equal(/\blog(\.(debug|info|warn|error)|\[[^\]]+\])\(/.test(read(file)), ['log.ts', 'plugin.ts', 'operate/drain.ts'].includes(file), file)
  }
})
