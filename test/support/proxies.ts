import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { Test } from 'tap'
import { tls } from './tls.js'
import { pause } from './until.js'

/** The proxies of docs/recipes.md, by the language of their blocks there. */
export type Proxy = 'nginx' | 'haproxy' | 'apache' | 'caddy'

/** Their paths in Debian, and the names of their packages. */
const programs: Record<Proxy, { readonly path: string, readonly package: string }> = {
  nginx: { path: '/usr/sbin/nginx', package: 'nginx' },
  haproxy: { path: '/usr/sbin/haproxy', package: 'haproxy' },
  apache: { path: '/usr/sbin/apache2', package: 'apache2' },
  caddy: { path: '/usr/bin/caddy', package: 'caddy' }
}

/**
 * Why tests with a proxy are skipped; `undefined` if they are not. Where CI is set nothing may be
 * missing, so that they fail.
 */
export function skipsWithout (proxy: Proxy): undefined | string {
  if (existsSync(programs[proxy].path) || process.env['CI'] !== undefined) return
  return `there is no ${proxy}: apt-get install ${programs[proxy].package}`
}

/** The blocks of docs/recipes.md in a language, in their order. */
export function blocksOf (language: string): string[] {
  const markdown = readFileSync('docs/recipes.md', 'utf8')
  return [...markdown.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(
    ([, block]) => block!
  )
}

/** Values of the documents, and those that replace them here. */
export interface Places {
  /** Of the upstream; 3000 in the documents. */
  readonly app: number
  /** Milliseconds of silence in seconds; 60 in the documents. @default 60 */
  readonly idle?: number
  /** Of a proxy behind another; 8080 in the documents. */
  readonly inner?: number
  readonly socket?: string
}

/** A port that was free a moment ago: proxies cannot say which one the system has given them. */
export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

// The configuration around a block of the documents: writable folders, the foreground, the
// loopback.
function wrap (proxy: Proxy, block: string, folder: string): string {
  switch (proxy) {
    case 'nginx': {
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${folder};`
      )
      return `daemon off; master_process off; pid ${folder}/pid; error_log stderr;\nevents {}\nhttp { access_log off; ${paths.join(' ')}\n${block}}\n`
    }
    case 'haproxy': return block
    case 'apache': {
      const modules = [
        'mpm_event',
        'authz_core',
        'headers',
        'proxy',
        'proxy_http',
        'ssl',
        'socache_shmcb'
      ].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
      const user = process.getuid?.() === 0 ? 'User www-data\nGroup www-data\n' : ''
      return `${modules.join('\n')}\n${user}ServerName localhost\nServerRoot ${folder}\nDefaultRuntimeDir ${folder}\nPidFile ${folder}/pid\nErrorLog ${folder}/log\nMutex posixsem\n${block}`
    }
    case 'caddy': return `{\n  admin off\n  auto_https off\n  default_bind 127.0.0.1\n  grace_period 100ms\n}\n${block}`
  }
}

// Ports, files and names of the documents have those of the test in their place.
function substitute (proxy: Proxy, block: string, port: number, folder: string, {
  app,
  idle = 60,
  inner = 0,
  socket = ''
}: Places): string {
  const isInner = block.includes('8080')
  const listen = isInner ? inner : port
  const text = block
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${app}`)
    .replaceAll('/run/app.sock', socket)
    .replaceAll('/etc/ssl', folder)
    .replaceAll('app.example', 'localhost')
    .replace(/(timeout tunnel|proxy_read_timeout|Timeout) 60/, `$1 ${idle}`)
  switch (proxy) {
    case 'nginx': return text.replace(/listen (?:443|8080)/, `listen 127.0.0.1:${listen}`)
    case 'haproxy': return text.replace(/bind :(?:443|8080)/, `bind 127.0.0.1:${listen}`)
    case 'apache': return `Listen 127.0.0.1:${listen}\n${text.replace(/\*:(?:443|8080)/, `*:${listen}`)}`
    case 'caddy': return text.replace(/:(?:443|8080)\b/, `:${listen}`)
  }
}

const commands: Record<Proxy, (file: string, folder: string) => string[]> = {
  nginx: (file, folder) => ['-e', 'stderr', '-p', folder, '-c', file],
  haproxy: (file) => ['-db', '-q', '-f', file],
  apache: (file, folder) => ['-d', folder, '-f', file, '-DFOREGROUND'],
  caddy: (file) => ['run', '--config', file, '--adapter', 'caddyfile']
}

/**
 * Starts a proxy with a block of the documents, and resolves with its port when it takes
 * connections. Rejects with what it said if it ends instead. It is stopped when the test ends.
 */
export async function startProxy (
  t: Test,
  proxy: Proxy,
  block: string,
  places: Places
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'))
  mkdirSync(join(folder, 'home'))
  writeFileSync(join(folder, 'app.pem'), `${tls.cert}\n${tls.key}\n`)
  writeFileSync(join(folder, 'app.key'), `${tls.key}\n`)
  const port = places.inner ?? await freePort()
  const file = join(folder, 'conf')
  writeFileSync(file, wrap(proxy, substitute(proxy, block, port, folder, places), folder))
  const home = join(folder, 'home')
  const env = { ...process.env, HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home }
  const child = spawn(programs[proxy].path, commands[proxy](file, folder), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => { said += String(data) })
  }
  t.teardown(async () => {
    if (isRunning(child)) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  })
  for (let count = 0; !await isListening(port); count++) {
    if (!isRunning(child)) {
      const log = join(folder, 'log')
      if (existsSync(log)) said += readFileSync(log, 'utf8')
      throw new Error(`${proxy} did not start: ${said}`)
    }
    await pause(count)
  }
  return port
}

function isRunning (child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

async function isListening (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return await new Promise((resolve) => {
    socket.once('connect', () => { socket.destroy(); resolve(true) }).once('error', () => {
      resolve(false)
    })
  })
}
