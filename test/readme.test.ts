import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import t from 'tap'
import { connect, refusal } from './support/client.js'
import { asPackage } from './support/example.js'
import { SECRET } from './support/server.js'

const readme = readFileSync('README.md', 'utf8')
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp('^```' + language + '\\n([^]*?)^```$', 'gm'))].map(
    ([, code]) => code!
  )

t.test('the first example of the README runs, and does what it says', async (t) => {
  const directory = '.tap/readme'
  mkdirSync(directory, { recursive: true })
  const code = blocks('ts')[0]!
  t.match(code, /port: 3000/)
  writeFileSync(`${directory}/example.ts`, code.replace('port: 3000', 'port: 0'))
  const child = spawn(process.execPath, ['--import=tsx', `${directory}/example.ts`], {
    env: { ...process.env, ...asPackage, JWT_SECRET: SECRET },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => { child.kill() })
  let address: undefined | string
  for await (const line of createInterface(child.stdout)) {
    address = /Server listening at (http:\/\/127[^"]+)/.exec(line)?.[1]
    if (address !== undefined) break
  }
  const url = `${address!.replace('http', 'ws')}/chat`

  const login = await fetch(`${address!}/login`, { method: 'POST' })
  const issued = await login.text()

  const signer = Fastify()
  await signer.register(jwt, { secret: SECRET })
  const token = signer.jwt.sign({ sub: 'alice', roles: ['ROLE_USER'] })
  t.equal((await refusal(url)).status, 401)
  const [alice, bob] = [
    await connect(url, ['bearer', issued]),
    await connect(url, [], { headers: { authorization: `Bearer ${token}` } })
  ]
  for (const client of [alice, bob]) {
    t.strictSame(await client.json(), { type: 'system', data: 'Hello world!' })
  }
  alice.send('hello')
  t.equal(await bob.next(), 'hello')
  const announce = async (token: string, body: object) => {
    const { status } = await fetch(`${address!}/announce`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body)
    })
    return status
  }
  const admin = signer.jwt.sign({ sub: 'carol', roles: ['ROLE_ADMIN'] })
  t.equal(await announce('', { text: 'news' }), 401)
  t.equal(await announce(token, { text: 'news' }), 403)
  t.equal(
    await announce(signer.jwt.sign({ sub: 'mallory', roles: 'xROLE_ADMINx' }), { text: 'news' }),
    403
  )
  t.equal(await announce(admin, { news: 1 }), 400)
  for (const each of [admin, issued]) {
    t.equal(await announce(each, { text: 'news' }), 200)
    for (const client of [alice, bob]) {
      t.strictSame(await client.json(), { type: 'announcement', text: 'news' })
    }
  }
  await alice.close()
  await bob.close()
  t.strictSame(alice.unread, [], 'the goodbye is sent if the server closes')
})

t.test('before and after are at most 20 lines each', async (t) => {
  const [before] = blocks('js') as [string]
  const after = blocks('ts').find((block) => block.includes('save('))!
  t.ok(before.trimEnd().split('\n').length <= 20)
  t.ok(after.trimEnd().split('\n').length <= 20)
})
