import { readdirSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import t from 'tap'

// From what looks after everything to what everything uses: imports go down this list, never up.
const layers = [
  'index', 'plugin', 'plugin-types', 'operate', 'route', 'options', 'auth', 'upgrade', 'contract',
  'controller', 'room', 'broker', 'connection', 'broadcast', 'socket', 'message', 'host',
  'option-checks', 'errors', 'log', 'clock', 'suggestion', 'members', 'thenable', 'protocol'
]

const all = readdirSync('src', { recursive: true })
  .map((name) => normalize(String(name)))
  .filter((name) => name.endsWith('.ts'))
// The client is a program of its own, for browsers too.
const clients = all.filter((name) => name.startsWith('client/'))
const sources = all.filter((name) => !clients.includes(name))
const layerOf = (file: string) => file.replace(/\.ts$/, '').split('/')[0]!
const texts = new Map(all.map((file) => [file, readFileSync(join('src', file), 'utf8')]))
const read = (file: string) => texts.get(file)!
// The files that have something, of which each rule says which they may be.
const having = (pattern: RegExp, files = sources) =>
  files.filter((file) => pattern.test(read(file))).sort()
const importsOf = (file: string) =>
  [...read(file).matchAll(/(?:from|import) *\(?'([^']*)'/g)].map(([, name]) => name!)
const ownImportsOf = (file: string) =>
  [...read(file).matchAll(/from '(\.[^']*)\.js'/g)].map(
    ([, name]) => `${normalize(join(file, '..', name!))}.ts`
  )

t.test('every source file has a place among the layers', async (t) => {
  t.strictSame(sources.filter((file) => !layers.includes(layerOf(file))), [])
})

t.test('imports go down the layers', async (t) => {
  const imports = sources.flatMap((file) => ownImportsOf(file).map(
    (target) => [file, target] as const
  ))
  t.ok(imports.length > 300)
  t.strictSame(
    imports.filter(
      ([file, target]) => layers.indexOf(layerOf(file)) > layers.indexOf(layerOf(target))
    ),
    []
  )
})

t.test('the client imports itself and the protocol, the server nothing of it', async (t) => {
  t.ok(clients.length > 10)
  const strays = clients.flatMap(
    (file) =>
      importsOf(file).filter(
        (name) => !/^\.\/[\w-]+\.js$|^\.\.\/protocol\/[\w-]+\.js$/.test(name)
      ).map((name) => [file, name])
  )
  t.strictSame(strays, [])
  t.strictSame(having(/from '[^']*client\//), [])
})

// The server, the client and the page of the console share it.
t.test('the protocol imports nothing but itself', async (t) => {
  const protocol = sources.filter((file) => file.startsWith('protocol/'))
  t.ok(protocol.length > 0)
  t.strictSame(protocol.flatMap(importsOf).filter((name) => !/^\.\/[\w-]+\.js$/.test(name)), [])
})

t.test('imports form no circle', async (t) => {
  const followed = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) circles.push([...path, file].join(' → '))
    else if (!followed.has(file)) {
      for (const next of ownImportsOf(file)) {
        visit(next, [
          ...path,
          file
        ])
      }
    }
    followed.add(file)
  }
  for (const file of all) visit(file, [])
  t.strictSame(circles, [])
  t.equal(followed.size, all.length, 'each was followed to its end')
})

t.test('the core does without the AsyncAPI document, and what that needs', async (t) => {
  const core = sources.filter((file) => !file.startsWith('operate/asyncapi/'))
  t.ok(sources.length - core.length > 10)
  t.strictSame(having(/'yaml'/), ['operate/asyncapi/yaml.ts'])
  t.strictSame(core.filter((file) => importsOf(file).some((name) => name.includes('asyncapi'))), [])
})

// Invariant 1
t.test('callbacks of controllers are called by two files only', async (t) => {
  t.strictSame(having(/\bon(Open|Message|Close|Error)\.call\(|controller\.on\w+!?\(/), [
    'contract/contract-router.ts',
    'controller/controller-invoker.ts'
  ])
  // The handlers of a contract.
  t.strictSame(having(/\bon\[\w+\]!?\(/), ['contract/inbound-request.ts'])
})

// Invariant 2
t.test('only the outbox writes to a socket, or has a fast one do it', async (t) => {
  t.strictSame(having(/[sS]ocket!?\.(send|close|ping|pong|write|end)\(/), [
    'connection/outbox.ts',
    'socket/lazy-socket.ts',
    'socket/probe.ts'
  ])
  t.strictSame(having(/\btcp!?\.write\(/), ['connection/outbox.ts'])
})

t.test("private parts of ws and of Node's streams are used by direct reads only", async (t) => {
  t.strictSame(having(/[\w!?\])]\._[a-z]|'_[a-z]|\b_[a-z]+State/), [
    'socket/lazy-socket.ts',
    'socket/probe.ts',
    'socket/response-release.ts'
  ])
})

t.test('only one folder reaches into Fastify, @fastify/websocket and @fastify/jwt', async (t) => {
  const [fastify, websocket, jwt] = ['fastify', 'fastify-websocket', 'fastify-jwt'].map(
    (name) => `host/${name}-internals.ts`
  )
  const reaches = [
    ['symbols of Fastify', /'fastify\.[a-zA-Z]+'|getOwnPropertySymbols\((?!new Socket)/, fastify],
    ['the raw request, replaced', /\['raw'\]|\.raw = /, fastify],
    ['routing', /\)\.routing\b|'routing'/, fastify],
    [
      'the upgrade listener of @fastify/websocket',
      /(istener|istene?rs)\('upgrade'|'onUpgrade'/,
      websocket
    ],
    ['the server of @fastify/websocket', /\.websocketServer\b|\.handleUpgrade = /, websocket],
    ['the error listeners of @fastify/websocket', /removeAllListeners\('error'/, websocket],
    ['the symbols of @fastify/websocket', /'ws-\w+'/, websocket],
    ['the decorator of @fastify/jwt', /\{ jwt\?:|\bjwt\?: (?!undefined)|\)\.jwt$/m, jwt],
    ['the header that @fastify/jwt reads, replaced', /\bauthorization = |'authorization'/, jwt]
  ] as const
  for (const [reach, pattern, place] of reaches) t.strictSame(having(pattern), [place], reach)
  t.strictSame(
    having(/addHook\('onClose'/),
    [fastify, 'plugin/watched-servers.ts'],
    'the order of onClose hooks; after all others, which is documented'
  )
})

// Invariant 7
t.test('timers are started by shared deadlines, the drain and client requests only', async (t) => {
  t.strictSame(having(/[cC]lock\.(after|every)\(/), [
    'connection/event-loop-delay.ts',
    'connection/fair-timer.ts',
    'connection/heartbeat.ts',
    'operate/drain.ts'
  ])
  t.strictSame(having(/new FairTimer\(/), [
    'connection/deadlines.ts',
    'connection/expiry-timer.ts',
    'connection/pending-requests.ts',
    'operate/drain.ts',
    'operate/http-connections.ts'
  ])
})

t.test('only the clock knows the time of the machine', async (t) => {
  t.strictSame(
    having(/\b(setTimeout|setInterval|performance\.now|Date\.now|new Date|hrtime)\(|node:timers/),
    ['clock.ts']
  )
})

t.test('one file of the client alone uses the console and the environment', async (t) => {
  t.strictSame(having(/\bconsole\.\w+\(|\bprocess\.[a-z]/, all), ['client/environment.ts'])
})

t.test("how paths compare and end is read from the app's options in one place", async (t) => {
  t.strictSame(
    having(/caseSensitive|ignore(Duplicate|Trailing)Slash|useSemicolonDelimiter|routerOptions/),
    ['route/path-equivalence.ts']
  )
  t.strictSame(having(/initialConfig/), ['plugin.ts', 'route/path-equivalence.ts'], 'and pluginTimeout')
})

t.test('what a validator returns is read in one place', async (t) => {
  t.strictSame(
    having(/\bvalidate!?\(|\.validate\w*\(|\bvalidate\.errors\b/),
    ['contract/validation.ts']
  )
  t.strictSame(having(/\bvalidator(Compiler)?\(\{/), ['route/schema-compilers.ts'])
})

t.test('promises are recognised in one place, and lines logged in one', async (t) => {
  t.strictSame(
    having(/instanceof Promise\b|\bisPromise\(|\.then === 'function'|readonly then\?/),
    ['message/outbound.ts', 'thenable.ts']
  )
  // An app may fail to start with its logger.
  t.strictSame(having(/\blog(\.(debug|info|warn|error)|\[[^\]]+\])\(/), [
    'log.ts',
    'plugin.ts',
    'plugin/socket-class.ts'
  ])
})

// Apps of tests have a clock that stands still until it is moved, unless they ask for another.
t.test('no test depends on real time of under a second without a reason', async (t) => {
  const tests = readdirSync('test', { recursive: true }).map((name) => normalize(String(
    name
  ))).filter((name) => name.endsWith('.ts') && !name.startsWith('types/'))
  t.ok(tests.length > 100)
  const having = (pattern: RegExp) =>
    tests.filter((file) => file !== 'layers.test.ts' &&
      pattern.test(readFileSync(join('test', file), 'utf8'))).sort()
  // A pause between two looks, and timers that are not those of the machine.
  t.strictSame(
    having(
      /\b(setTimeout|setInterval|realTimeout|scheduler\.wait|AbortSignal\.timeout)\((.*, *)?\d{1,3}(, .*)?\)/
    ),
    ['client/reconnection.test.ts', 'support/clock.ts', 'support/until.ts']
  )
  t.strictSame(having(/\bclock: systemClock\b/), ['flow/proxies.test.ts'])
  // Node's own, and Fastify's.
  t.strictSame(
    having(
      /\b(headersTimeout|requestTimeout|keepAliveTimeout|connectionsCheckingInterval|handlerTimeout): \d{1,3}\b(?!_)/
    ),
    ['faults/half-open.test.ts', 'flow/refused-upgrades.test.ts']
  )
})

t.test('the sources speak of clients, tokens and frames, and of no persons', async (t) => {
  t.strictSame(having(/\b(whoever|whatever|whichever|nobody|somebody|anybody|whom)\b/i, all), [])
})
