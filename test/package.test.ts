import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import t from 'tap'
import { compilers } from './support/compilers.js'

// Another project, with the package as npm packs it and what the package and its peers need.
function install (): string {
  const project = mkdtempSync(join(realpathSync(tmpdir()), 'fastify-socket-route-'))
  const target = join(project, 'node_modules/fastify-socket-route')
  mkdirSync(target, { recursive: true })
  execFileSync(
    'npm',
    ['pack', '--ignore-scripts', '--pack-destination', project],
    { stdio: 'ignore' }
  )
  const [tarball] = readdirSync(project).filter((name) => name.endsWith('.tgz'))
  execFileSync('tar', ['-xzf', join(project, tarball!), '-C', target, '--strip-components', '1'])
  const { dependencies } = JSON.parse(readFileSync(
    'package.json',
    'utf8'
  )) as { dependencies: object }
  const own = Object.keys(dependencies).filter((name) => !name.startsWith('@'))
  for (const name of [
    ...own,
    'fastify',
    '@fastify',
    '@types',
    'pino',
    'find-my-way',
    'light-my-request',
    'typebox',
    'fast-jwt',
    'undici-types'
  ]) {
    symlinkSync(resolve('node_modules', name), join(project, 'node_modules', name))
  }
  return project
}

t.test('the package as it is published', async (t) => {
  const project = install()
  t.teardown(() => { rmSync(project, { recursive: true, force: true }) })

  await t.test('compiles for its users, with every resolution and strictness', async (t) => {
    writeFileSync(join(project, 'app.mts'), `
      import Fastify from 'fastify'
      import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
      import socketRoutes, {
        JsonMessage, SocketRoute, WsConnection, type SocketController
      } from 'fastify-socket-route'
      import asyncapi, { type AsyncapiDocument } from 'fastify-socket-route/asyncapi'
      import { connect } from 'fastify-socket-route/client'
      import ui from 'fastify-socket-route/ui'
      const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
      await app.register(socketRoutes, { maxPayload: 1000 })
      app.socketRoute('/raw/:room', {
        onOpen: (connection) => new JsonMessage({ room: connection.params.room }),
        onMessage (connection, message, clients) {
          clients.broadcast(message, { except: connection })
        }
      }, ['ROLE_USER']).to('a').send('x')
      const chat = app.socketRoute('/chat/:room', {
        schema: {
          in: { say: { data: Type.String(), reply: Type.Integer() } },
          out: { line: Type.Object({ text: Type.String() }) }
        },
        onOpen (connection) { connection.send('line', { text: connection.params.room }) },
        on: {
          say (connection, text, { clients }) {
            clients.broadcast('line', { text }, { except: connection })
            return text.length
          }
        }
      }, {
        preHandler: async (request) => { request.params.room.trim() },
        outbox: { notice: (dropped) => ({ type: 'line', data: { text: dropped.toFixed() } }) }
      })
      const client = connect<typeof chat>('wss://example.test/chat/a')
      client.on('line', ({ text }) => text.length)
      export const length: number = await client.request('say', 'hi')
      @SocketRoute({ path: '/class' })
      class Chat implements SocketController {
        onOpen (connection: WsConnection) { return connection.id }
      }
      app.socketController(Chat)
      await app.register(asyncapi, { info: { title: 'Chat', version: '1.0.0' } })
      await app.register(ui)
      app.asyncapi() satisfies AsyncapiDocument
    `)
    const resolutions = [
      { module: 'node16', moduleResolution: 'node16' },
      { module: 'nodenext', moduleResolution: 'nodenext' },
      { module: 'esnext', moduleResolution: 'bundler' }
    ]
    const strictnesses = [
      { strict: false },
      { strict: true },
      { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true }
    ]
    const settings = resolutions.flatMap((resolution) =>
      strictnesses.map((strictness) => ({ ...resolution, ...strictness })))
    for (const [index, [name, compiler]] of compilers.entries()) {
      // The older compilers, which take long, check one of them.
      for (const setting of index === 0 ? settings : settings.slice(-1)) {
        const target = { target: 'es2022', skipLibCheck: false, noEmit: true, types: ['node'] }
        writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({
          compilerOptions: { ...target, ...setting },
          files: ['app.mts']
        }))
        const { stdout } = spawnSync(
          process.execPath,
          [resolve(compiler, 'lib/tsc.js'), '-p', project],
          { encoding: 'utf8' }
        )
        t.equal(stdout, '', `${name}, ${JSON.stringify(setting)}`)
      }
    }
  })

  await t.test('has a client that compiles for browsers alone, and for Node', async (t) => {
    const client = (options: string) => `
      import { connect } from 'fastify-socket-route/client'
      ${options.includes('WebSocket') ? "import { WebSocket } from 'ws'" : ''}
      interface Chat { '~contract'?: undefined | { in: { join: { data: { room: string }, reply: { members: number }, stream: undefined } }, out: { message: { data: string, reply: undefined } } } }
      const client = connect<Chat>('wss://example.test/chat'${options})
      client.on('message', (text) => text.length)
      export const { members } = await client.request('join', { room: 'lobby' })
    `
    writeFileSync(join(project, 'page.mts'), client(''))
    writeFileSync(join(project, 'program.mts'), client(', { WebSocket }'))
    for (const [file, compilerOptions] of [
      ['page.mts', { types: [], lib: ['es2022', 'dom'] }],
      ['program.mts', { types: ['node'], lib: ['es2022'] }]
    ] as const) {
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2022',
          strict: true,
          skipLibCheck: false,
          noEmit: true,
          ...compilerOptions
        },
        files: [file]
      }))
      const { stdout, stderr, status } = spawnSync(process.execPath, [
        resolve(compilers.at(-1)![1], 'lib/tsc.js'),
        '-p',
        project
      ])
      t.equal(stdout.toString() + stderr.toString(), '', file)
      t.equal(status, 0)
    }
  })

  await t.test('has a client that needs nothing else', async (t) => {
    const run = (code: string) => spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', code],
      { cwd: project }
    )
    t.equal(run("await import('fastify-socket-route')").status, 0)
    t.equal(
      run(
        "console.log(typeof (await import('fastify-socket-route/client')).connect)"
      ).stdout.toString().trim(),
      'function'
    )
  })

  await t.test('is loaded by import and by require(), as one module', async (t) => {
    writeFileSync(join(project, 'app.cjs'), `
      const Fastify = require('fastify')
      const { default: socketRoutes, JsonMessage } = require('fastify-socket-route')
      import('fastify-socket-route').then(async (imported) => {
        const app = Fastify()
        await app.register(socketRoutes)
        app.socketRoute('/', { onOpen: () => new JsonMessage({}) })
        await app.ready()
        console.log(imported.JsonMessage === JsonMessage)
        await app.close()
      })
    `)
    t.equal(
      execFileSync(process.execPath, ['app.cjs'], {
        cwd: project,
        stdio: ['ignore', 'pipe', 'ignore']
      }).toString().trim(),
      'true'
    )
  })

  await t.test('has the page of the console, which needs nothing else', async (t) => {
    writeFileSync(join(project, 'console.mjs'), `
      import Fastify from 'fastify'
      import ui from 'fastify-socket-route/ui'
      const app = Fastify()
      await app.register(ui, { document: () => ({}) })
      console.log((await app.inject('/console.js')).statusCode)
    `)
    t.equal(
      execFileSync(process.execPath, ['console.mjs'], { cwd: project }).toString().trim(),
      '200'
    )
  })

  await t.test('serves JSON without the package yaml, and YAML with it', async (t) => {
    writeFileSync(join(project, 'asyncapi.mjs'), `
      import Fastify from 'fastify'
      import socketRoutes from 'fastify-socket-route'
      import asyncapi from 'fastify-socket-route/asyncapi'
      const app = Fastify()
      await app.register(socketRoutes)
      await app.register(asyncapi, { info: { title: 'Chat', version: '1.0.0' } })
      for (const form of ['json', 'yaml']) {
        const { statusCode, body } = await app.inject('/asyncapi/asyncapi.' + form)
        console.log(form, statusCode, /FSR_ERR_\\w+/.exec(body)?.[0])
      }
    `)
    const run = () =>
      execFileSync(process.execPath, ['asyncapi.mjs'], { cwd: project }).toString().trim().split(
        '\n'
      )
    t.strictSame(run(), ['json 200 undefined', 'yaml 501 FSR_ERR_YAML_MISSING'])
    symlinkSync(resolve('node_modules/yaml'), join(project, 'node_modules/yaml'))
    t.strictSame(run(), ['json 200 undefined', 'yaml 200 undefined'])
  })

  await t.test('has the page of the console also where a server is bundled', async (t) => {
    writeFileSync(join(project, 'server.mjs'), `
      import Fastify from 'fastify'
      import ui from 'fastify-socket-route/ui'
      Fastify().register(ui, { document: () => ({}) }).inject('/console.js', (_error, { statusCode }) => { console.log(statusCode) })
    `)
    for (const [format, name] of [['esm', 'server.mjs'], ['cjs', 'server.cjs']] as const) {
      const outfile = join(project, 'bundled', name)
      await build({
        entryPoints: [join(project, 'server.mjs')],
        bundle: true,
        platform: 'node',
        format,
        outfile,
        external: ['fastify', '@fastify/*']
      })
      t.equal(execFileSync(process.execPath, [outfile]).toString().trim(), '200', format)
    }
  })

  const packed = join(project, 'node_modules/fastify-socket-route')

  await t.test('has the build and documents of users only', async (t) => {
    t.strictSame(readdirSync(packed).sort(), [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'bench',
      'dist',
      'docs',
      'package.json'
    ])
    const forMaintainers = ['lifecycle.md', 'parity.md']
    t.strictSame(
      readdirSync(join(packed, 'docs')).sort(),
      readdirSync('docs').filter((name) => !forMaintainers.includes(name)).sort()
    )
  })

  // A reader of node_modules, and npm's page, have the package alone.
  await t.test('links in its documents lead to its own files', async (t) => {
    const documents = readdirSync(packed, { recursive: true }).map(String).filter(
      (name) => name.endsWith('.md')
    )
    t.ok(documents.length > 10)
    const links = documents.flatMap(
      (file) =>
        [...readFileSync(join(packed, file), 'utf8').matchAll(/\]\((?!#)([^)#\s]+)/g)].map(
          ([, link]) => [file, link!] as const
        )
    )
    t.strictSame(
      links.filter(([file, link]) => !/^[a-z]+:/.test(link) &&
        !existsSync(join(packed, file, '..', link))),
      []
    )
  })

  // A file of the repository cannot be linked to, as a reader has the package alone.
  await t.test('its documents name other files as those of the repository', async (t) => {
    const documents = readdirSync(packed, { recursive: true }).map(String).filter(
      (name) => name.endsWith('.md')
    )
    const named = documents.flatMap((file) =>
      readFileSync(join(packed, file), 'utf8').replace(/^```[^]*?^```$/gm, '')
        .split(/\n(?=\n| *[-*] |\|)/)
        .flatMap((text) =>
          [...text.matchAll(/`((?:bench|docs|examples|src|test|ui)\/[\w./-]+)`/g)]
            .map(([, path]) => ({ file, path: path!, text }))))
      .filter(({ path }) => !existsSync(join(packed, path)))
    t.ok(named.length > 5)
    t.strictSame(named.filter(({ text }) => !/\brepository\b/.test(text)), [])
  })

  await t.test('docs/console.md tells the weight of the page', async (t) => {
    const page = join(packed, 'dist/operate/ui/page.js')
    const { page: files } = await import(pathToFileURL(page).href) as {
      page: Record<string, string>
    }
    const shown = Object.entries(files).filter(([name]) => name !== 'licences.txt').map(
      ([, text]) => text
    )
    const told = {
      'in the package': statSync(page).size,
      'in a browser': shown.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
      'over the network': shown.reduce((sum, text) => sum + gzipSync(text).length, 0)
    }
    const document = readFileSync('docs/console.md', 'utf8')
    for (const [where, bytes] of Object.entries(told)) {
      const figure = Number(new RegExp(`(\\d+) kB ${where}`).exec(document)?.[1])
      t.ok(
        Math.abs(figure * 1000 - bytes) < bytes * 0.05,
        `${String(figure)} kB ${where}: ${bytes} bytes`
      )
    }
  })
})
