import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { BrowserContext, Locator, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { browserTest, launch, PATIENCE } from '../support/browser.js'
import { asPackage } from '../support/example.js'

const root = process.cwd()
const screenshots = resolve(root, '.tap/screenshots')

interface Server {
  readonly url: string
  readonly port: string
  /** Stops it as Ctrl+C does, and answers its exit code. */
  stop (): Promise<null | number>
}

// Starts the server as `npm start` does.
async function start (t: Test, port = '0'): Promise<Server> {
  const { scripts } = JSON.parse(readFileSync(
    resolve(root, 'package.json'),
    'utf8'
  )) as { scripts: { start: string } }
  const [command, ...args] = scripts.start.split(' ') as [string, ...string[]]
  const child: ChildProcess = spawn(resolve(root, 'node_modules/.bin', command), args, {
    cwd: root,
    env: { ...process.env, ...asPackage, PORT: port },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const exited = once(child, 'exit') as Promise<[null | number]>
  const stop = async () => {
    child.kill('SIGTERM')
    return (await exited)[0]
  }
  t.teardown(() => child.exitCode === null && child.signalCode === null ? stop() : undefined)

  const url = await new Promise<string>((resolve, reject) => {
    const lines: string[] = []
    // Read to the end, so that the server never waits for its output to be taken.
    createInterface(child.stdout!).on('line', (line) => {
      lines.push(line)
      const address = /Open (http:\S+)/.exec(line)?.[1]
      if (address !== undefined) resolve(address)
    })
    exited.then(
      ([code]) => { reject(new Error(`The server ended with ${code}: ${lines.join('\n')}`)) },
      reject
    )
  })
  return { url, port: new URL(url).port, stop }
}

/** A tab with the chat. */
class Tab {
  readonly page: Page
  readonly problems: string[] = []

  constructor (page: Page) {
    this.page = page
    page.setDefaultTimeout(PATIENCE)
    page.on('pageerror', (error) => { this.problems.push(String(error)) })
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) this.problems.push(message.text())
    })
  }

  static async open (context: BrowserContext, url: string): Promise<Tab> {
    const tab = new Tab(await context.newPage())
    await tab.page.goto(url)
    await tab.isIn('open')
    return tab
  }

  async isIn (state: string): Promise<void> {
    await this.page.locator(`#state[data-state=${state}]`).waitFor()
  }

  // A tab in the background draws, and so takes clicks, only once a second.
  async press (button: string): Promise<void> {
    await this.page.bringToFront()
    await this.page.getByRole('button', { name: button }).click()
  }

  async signIn (name: string, password = name): Promise<void> {
    await this.page.getByLabel('Name').fill(name)
    await this.page.getByLabel('Password').fill(password)
    await this.press('Sign in')
  }

  async signInAs (name: string): Promise<void> {
    await this.signIn(name)
    await this.page.getByText(`You are here as ${name}.`).waitFor()
  }

  async say (text: string): Promise<void> {
    await this.page.getByLabel('Message').fill(text)
    await this.page.getByLabel('Message').press('Enter')
  }

  /** Waits until the log has a text. */
  async reads (text: string): Promise<void> {
    await this.inLog(text).first().waitFor()
  }

  inLog (text: string): Locator {
    return this.page.getByRole('log').getByText(text, { exact: true })
  }

  /** Waits until exactly these are shown as present. */
  async sees (...names: string[]): Promise<void> {
    const present = this.page.locator('#members li')
    await present.nth(names.length - 1).waitFor()
    for (const name of names) await present.filter({ hasText: name }).waitFor()
    await present.nth(names.length).waitFor({ state: 'detached' })
  }

  async isTold (): Promise<string> {
    await this.isIn('refused')
    return await this.page.locator('#refusal').innerText()
  }

  async shoot (
    name: string,
    scheme: 'light' | 'dark',
    width: number,
    height: number
  ): Promise<void> {
    await this.page.emulateMedia({ colorScheme: scheme })
    await this.page.setViewportSize({ width, height })
    const image = await this.page.screenshot({ path: resolve(screenshots, `${name}.png`) })
    if (image.length < 10_000) throw new Error(`The screenshot ${name} is empty`)
  }
}

t.test('the chat in a browser', browserTest, async (t) => {
  mkdirSync(screenshots, { recursive: true })
  const startUntilEnd = (port?: string) => start(t, port)
  let server = await startUntilEnd()
  const context = await (await launch(t)).newContext({
    viewport: { width: 1100, height: 720 },
    locale: 'en-GB'
  })
  const alice = await Tab.open(context, server.url)
  const bob = await Tab.open(context, server.url)

  await t.test('a guest who enters the members room is told to sign in', async (t) => {
    await alice.press('Members')
    const told = await alice.isTold()
    t.match(told, 'You are not signed in. To enter the members room, sign in first.')
    t.match(told, '401 FSR_ERR_TOKEN_MISSING')
  })

  await t.test('a wrong password is explained', async () => {
    await alice.signIn('alice', 'bob')
    await alice.page.getByText('There is no user with this name and password').waitFor()
  })

  await t.test('two tabs are two users who see each other by name', async () => {
    await alice.signInAs('alice')
    await bob.signInAs('bob')
    await alice.sees('alice', 'bob')
    await bob.sees('alice', 'bob')
    await alice.reads('bob came in.')
  })

  await t.test('they chat both ways', async (t) => {
    await alice.say('Hello bob, are you there?')
    await bob.reads('Hello bob, are you there?')
    await bob.say('<b>I am</b> & <img src=x onerror=alert(1)>')
    await alice.reads('<b>I am</b> & <img src=x onerror=alert(1)>')
    await alice.say(
      'Shall we restart the server and see what happens? Whatever you write in the meantime ' +
      'stays in the input.'
    )
    await bob.reads(
      'Shall we restart the server and see what happens? Whatever you write in the meantime ' +
      'stays in the input.'
    )
    t.equal(await bob.inLog('Hello bob, are you there?').count(), 1, 'each message is shown once')
  })

  await t.test('a user in two tabs counts once, and leaves with the last', async () => {
    const second = await Tab.open(context, server.url)
    await second.signInAs('alice')
    await second.sees('alice', 'bob')
    await second.page.close()
    await bob.say('Still here?')
    await alice.reads('Still here?')
    await alice.sees('alice', 'bob')
  })

  await t.test('an announcement of the admin reaches every room', async () => {
    const guest = await Tab.open(context, server.url)
    await bob.page.getByLabel('Announce to every room').fill('The server restarts at noon.')
    await bob.press('Announce')
    await bob.page.getByText('It reached 3 connections.').waitFor()
    for (const tab of [alice, bob, guest]) await tab.reads('The server restarts at noon.')
    await guest.page.close()
  })

  await t.test('the page has screenshots: light and dark, wide and narrow', async () => {
    await bob.shoot('wide-light', 'light', 1100, 720)
    await bob.shoot('narrow-light', 'light', 400, 860)
    await alice.shoot('narrow-dark', 'dark', 400, 860)
    await alice.shoot('wide-dark', 'dark', 1100, 720)
  })

  await t.test('a user without the role is told which one the admin room needs', async (t) => {
    await alice.press('Admin')
    const told = await alice.isTold()
    t.match(
      told,
      'alice may not enter the admin room: it needs ROLE_ADMIN, and alice has ROLE_USER.'
    )
    t.match(told, '403 FSR_ERR_NOT_GRANTED')
    await bob.reads('alice left.')
    await alice.shoot('refused', 'dark', 1100, 720)
    await alice.press('Members')
    await alice.sees('alice', 'bob')
  })

  await t.test('the page reconnects after a restart, and keeps its input', async (t) => {
    t.equal(await server.stop(), 0, 'the server stops in an orderly way')
    await alice.reads('The server closes this connection. Goodbye!')
    await Promise.all([alice.isIn('waiting'), bob.isIn('waiting')])
    await alice.say('Written while the server was away')
    t.equal(
      await alice.page.getByLabel('Message').inputValue(),
      'Written while the server was away',
      'it stays in the input'
    )
    await alice.shoot('reconnecting', 'dark', 1100, 720)
    // The first attempt finds no server, and another follows.
    await alice.page.waitForEvent('websocket')
    await alice.isIn('waiting')

    server = await startUntilEnd(server.port)
    await Promise.all([alice.isIn('open'), bob.isIn('open')])
    await alice.sees('alice', 'bob')
    await alice.page.getByLabel('Message').press('Enter')
    await bob.reads('Written while the server was away')
    await bob.say('Welcome back')
    await alice.reads('Welcome back')
  })

  await t.test('who signs out is a guest', async () => {
    await alice.press('Sign out')
    await alice.isIn('open')
    await alice.sees('guest-')
    await bob.sees('bob')
  })

  t.same(
    alice.problems.concat(bob.problems),
    [],
    'no script failed, and nothing was kept from the page by its Content-Security-Policy'
  )
})
