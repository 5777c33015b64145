// The console page in a browser, with sockets of a real app.
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import type { BrowserContext, Locator, Page } from 'playwright-core'
import t from 'tap'
import { browserTest, launch, PATIENCE } from '../support/browser.js'
import { createConsoleApp } from '../support/console-app.js'

const screenshots = process.env['SCREENSHOTS'] ?? resolve('.tap/screenshots')

/** A tab with the console, which records all faults in it. */
class Tab {
  readonly page: Page
  readonly problems: string[] = []

  constructor (page: Page, origin: string) {
    this.page = page
    page.setDefaultTimeout(PATIENCE)
    page.on('pageerror', (error) => { this.problems.push(String(error)) })
    page.on('console', (message) => {
      // The browser itself logs rejected connections.
      const isRefusal = /WebSocket connection to|Failed to load resource: the server responded with a status of (401|403|426)/.test(message.text())
      if (['error', 'warning'].includes(message.type()) && !isRefusal) {
        this.problems.push(message.text())
      }
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(`${origin}/`)) {
        this.problems.push(`a request to ${request.url()}`)
      }
    })
    page.on('websocket', (socket) => {
      if (!socket.url().startsWith(`${origin.replace('http', 'ws')}/`)) {
        this.problems.push(`a socket to ${socket.url()}`)
      }
    })
  }

  static async open (context: BrowserContext, url: string): Promise<Tab> {
    const tab = new Tab(await context.newPage(), new URL(url).origin)
    await tab.page.addInitScript(`document.addEventListener('securitypolicyviolation', ({ effectiveDirective, sourceFile, lineNumber, columnNumber, target }) => {
      console.error('kept from the page:', effectiveDirective, sourceFile, lineNumber, columnNumber, target.outerHTML)
    })`)
    await tab.page.goto(url)
    await tab.page.getByRole('heading', { level: 1 }).waitFor()
    return tab
  }

  async choose (route: string): Promise<void> {
    await this.page.getByRole('link', { name: route }).click()
  }

  async press (name: string, within: Page | Locator = this.page): Promise<void> {
    await within.getByRole('button', { name, exact: true }).click()
  }

  async isIn (status: string): Promise<void> {
    await this.page.getByRole('status').getByText(status, { exact: true }).waitFor()
  }

  async fetchToken (password: string): Promise<void> {
    if (!await this.page.getByLabel('password').isVisible()) {
      await this.page.getByText('Fetch a token').click()
    }
    await this.page.getByLabel('password').fill(password)
    await this.press('Fetch token')
  }

  async connect (): Promise<void> {
    await this.press('Connect')
    await this.isIn('Connected')
  }

  /** Opens a message of the contract, if it is not open. */
  async message (type: string): Promise<Locator> {
    const message = this.page.locator('details.message').filter({
      has: this.page.locator('.message-type', { hasText: new RegExp(`^${type}$`) })
    })
    if (await message.getAttribute('open') === null) {
      await message.locator('summary').first().click()
    }
    return message
  }

  async write (label: string, text: string): Promise<void> {
    // As users do, selecting before writing: `fill` does both at once.
    await this.page.getByRole('textbox', { name: label }).press('Control+A')
    await this.page.keyboard.insertText(text)
  }

  /** The last entry of the log with a title. */
  entry (title: string): Locator {
    return this.page.locator('.entry').filter({
      has: this.page.getByText(title, { exact: true })
    }).last()
  }

  async shoot (
    name: string,
    scheme: 'light' | 'dark',
    width: number,
    height: number,
    fullPage = false
  ): Promise<void> {
    await this.page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
    await this.page.setViewportSize({ width, height })
    const image = await this.page.screenshot({
      path: resolve(screenshots, `console-${name}.png`),
      fullPage
    })
    if (image.length < 10_000) throw new Error(`The screenshot ${name} is empty`)
  }
}

t.test('behind a proxy with a prefix the page finds its sockets', browserTest, async (t) => {
  const app = await createConsoleApp(t)
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  // Takes `/api` away from the first line of each connection.
  const proxy = createServer((client) => {
    const server = connect(Number(port), '127.0.0.1')
    client.on('data', (data) => {
      server.write(Buffer.from(
        data.toString('latin1').replace(/^(GET|POST) \/api\//, '$1 /'),
        'latin1'
      ))
    })
    server.pipe(client)
    for (const [one, other] of [[client, server], [server, client]] as const) {
      one.on('error', () => {}).on('close', () => { other.destroy() })
    }
  }).listen(0, '127.0.0.1')
  t.teardown(() => { proxy.close() })
  await once(proxy, 'listening')
  const context = await (await launch(t)).newContext()
  const tab = await Tab.open(
    context,
    `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/api/sockets`
  )
  await tab.page.getByText('/api/chat/lobby').waitFor()
  await tab.fetchToken('alice')
  await tab.page.getByText('The token says: alice').waitFor()
  await tab.connect()
  await tab.page.close()
  t.same(tab.problems, [])
})

t.test('the console in a browser', browserTest, async (t) => {
  mkdirSync(screenshots, { recursive: true })
  const app = await createConsoleApp(t)
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const context = await (await launch(t)).newContext({
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    permissions: ['clipboard-read', 'clipboard-write']
  })
  const tab = await Tab.open(context, `${address}/sockets`)
  const { page } = tab

  await t.test('the routes are listed, and found by what they are about', async (t) => {
    t.equal(await page.title(), '/chat/{room} · Chat service')
    t.equal(await page.getByRole('navigation').getByRole('link').count(), 4)
    await page.getByLabel('Find a route').fill('confirm')
    t.equal(await page.getByRole('navigation').getByRole('link').count(), 1)
    await page.getByLabel('Find a route').fill('')
    t.match(await page.locator('.route-head').innerText(), 'ROLE_USER or ROLE_ADMIN')
    await page.getByText('Limits, close codes and refusals').click()
    t.match(await page.locator('.limits').innerText(), /max payload\s+65,536 bytes/i)
    t.match(
      await page.getByRole('region', { name: 'Close codes' }).innerText(),
      /4401\s+token expired\s+at once/
    )
    t.match(
      await page.getByRole('region', { name: 'Refusals' }).innerText(),
      /403\s+FSR_ERR_NOT_GRANTED/
    )
    await tab.shoot('limits', 'light', 1440, 900)
    await page.getByText('Limits, close codes and refusals').click()
    t.match(
      await page.getByRole('textbox', { name: 'Data of say' }).innerText(),
      'Hello, is anybody here?',
      'an editor begins with an example'
    )
    t.match(await (await tab.message('ban')).innerText(), 'ROLE_MODERATOR')
    await (await tab.message('ban')).locator('summary').first().click()
  })

  await t.test('a refused connection is explained', async (t) => {
    await tab.press('Connect')
    await tab.entry('refused 401 FSR_ERR_TOKEN_MISSING').waitFor()
    await page.getByLabel('Token', { exact: true }).fill('no token')
    await tab.press('Connect')
    await tab.entry('not connected').waitFor()
    await page.getByLabel('Token', { exact: true }).fill('no.token.either')
    await tab.press('Connect')
    t.match(await tab.entry('refused 401 FSR_ERR_TOKEN_INVALID').innerText(), 'not valid')
    await page.getByRole('textbox', { name: 'room' }).fill('')
    await tab.press('Connect')
    await page.getByText('room is missing.').waitFor()
    await page.getByRole('textbox', { name: 'room' }).fill('lobby')
  })

  await t.test('a token is fetched from the login, and lets in', async (t) => {
    await tab.fetchToken('wrong')
    await page.getByText('401: There is no user with this name and password').waitFor()
    await tab.fetchToken('alice')
    await page.getByText('The token says: alice · ROLE_USER · expires in 60 min').waitFor()
    await page.getByLabel('lang').selectOption('de')
    await page.getByText('/chat/lobby?lang=de').waitFor()
    await tab.connect()
    t.match(await tab.entry('connected').innerText(), 'sub-protocol bearer')
    t.equal(await page.locator('nav a[data-state=open]').count(), 1)
  })

  await t.test('values outside the schema are not sent, unless forced', async (t) => {
    await tab.write(
      'Data of say',
      '{ "text": "", "mood": "odd", "mentions": [{ "name": "bob", "id": 0 }] }'
    )
    const say = await tab.message('say')
    await tab.press('Send', say)
    const told = await say.getByRole('alert').innerText()
    for (const path of ['/text', '/mood', '/mentions/0/id']) t.match(told, path)
    t.equal(await tab.entry('say').count(), 0)
    await say.scrollIntoViewIfNeeded()
    await tab.shoot('invalid', 'dark', 1440, 1000)
    await tab.write('Data of say', '{ "text": ')
    await tab.press('Send', say)
    t.match(await say.getByRole('alert').innerText(), 'This is not JSON')
    await tab.write('Data of say', '{ "text": "" }')
    await tab.press('Send', say)
    await tab.press('Send anyway', say)
    t.match(await tab.entry('error').innerText(), /FSR_ERR_DATA_INVALID.*at \/text/)
  })

  await t.test('a message is sent, and what comes is shown', async (t) => {
    await tab.write('Data of say', '{ "text": "Hello", "mood": "merry" }')
    await page.getByRole('textbox', { name: 'Data of say' }).press('Control+Enter')
    await tab.entry('message').waitFor()
    t.match(
      await tab.entry('message').innerText(),
      /{"type":"message","data":{"from":"alice","text":"Hello"}}/
    )
    t.match(await tab.entry('message').innerText(), /\d+ B/)
    await tab.entry('message').locator('summary').click()
    t.match(
      await tab.entry('message').locator('pre').innerText(),
      '{\n  "type": "message",\n  "data": {\n    "from": "alice",'
    )
    await tab.entry('message').locator('summary').click()
  })

  await t.test('a reply is matched to its request', async (t) => {
    await tab.message('join')
    await tab.press('Send', await tab.message('join'))
    const reply = tab.entry('reply')
    await reply.waitFor()
    t.match(await reply.innerText(), /to join · (less than )?\d+ ms/)
    t.match(await tab.entry('join').innerText(), /answered after/)
    await tab.press('Send', await tab.message('fail'))
    await tab.entry('error').filter({ hasText: 'OUT_OF_TEA: There is no more tea' }).waitFor()
    await tab.press('Send', await tab.message('ban'))
    t.match(
      await tab.entry('error').filter({ hasText: 'to ban' }).count(),
      0,
      'who has not asked for a reply gets an error without an id'
    )
  })

  await t.test('a stream is one entry', async (t) => {
    await tab.message('ticks')
    await tab.write('Data of ticks', '{ "count": 250 }')
    await tab.press('Send', await tab.message('ticks'))
    const stream = tab.entry('stream')
    await stream.filter({ hasText: '250 items' }).filter({ hasText: 'complete' }).waitFor()
    await stream.locator('summary').click()
    await stream.getByText('The last 100 of 250.').waitFor()
    t.equal(await stream.locator('pre').count(), 100)
    await stream.locator('summary').click()
  })

  await t.test('requests of the server can be answered', async (t) => {
    await tab.press('Send', await tab.message('confirm'))
    const asked = page.getByRole('region', { name: 'Requests of the server' })
    await asked.getByText('Are you sure?').waitFor()
    await tab.shoot('asked', 'light', 1440, 900)
    await tab.shoot('asked-narrow', 'dark', 390, 844)
    await page.setViewportSize({ width: 1440, height: 900 })
    await tab.press('Answer', asked)
    await asked.waitFor({ state: 'hidden' })
    // Behind the answer to the server's request, which is a reply as well.
    await tab.entry('reply').filter({ hasText: 'to confirm' }).waitFor()
    await tab.press('Send', await tab.message('confirm'))
    await asked.getByText('Refuse it instead').click()
    await tab.press('Refuse', asked)
    t.match(await tab.entry('error').filter({ hasText: 'to confirm' }).innerText(), 'FSR_ERR')
  })

  await t.test('data of a server is shown as text, whatever it looks like', async (t) => {
    await tab.press('Send', await tab.message('hostile'))
    const entry = page.locator('.entry').filter({ hasText: 'window.hacked' }).last()
    await entry.locator('summary').click()
    t.match(await entry.innerText(), '<img src=x')
    await tab.choose('hostile')
    await page.getByRole('heading', { level: 1, name: 'hostile' }).waitFor()
    t.equal(await page.evaluate('window.hacked'), undefined)
    t.equal(await page.locator('img').count(), 1, 'but the logo there is no image')
    await tab.choose('/chat/{room}')
  })

  await t.test('the log is filtered, paused, copied and cleared', async (t) => {
    await page.getByLabel('Which entries').selectOption('bad')
    t.equal(await page.locator('.entry.sent:visible').count(), 0)
    await page.getByLabel('Which entries').selectOption('all')
    await page.getByLabel('Filter the log').fill('out_of_tea')
    t.equal(await page.locator('.entry:visible').count(), 1)
    await tab.press('Copy')
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    t.match(
      await page.evaluate('navigator.clipboard.readText()'),
      /^\S+Z received error \(\d+ B\) {"type":"error".*OUT_OF_TEA/
    )
    await page.getByLabel('Filter the log').fill('')
    const before = await page.locator('.entry').count()
    await tab.press('Pause')
    await tab.press('Send', await tab.message('join'))
    await page.getByText('paused, 2 new').waitFor()
    t.equal(await page.locator('.entry').count(), before)
    await tab.press('Go on')
    await page.locator('.entry').nth(before + 1).waitFor()
  })

  await t.test('a large stream leaves the page usable, and the log has an end', async (t) => {
    await tab.write('Data of ticks', '{ "count": 10000 }')
    await tab.press('Send', await tab.message('ticks'))
    await tab.entry('stream').filter({ hasText: '10,000 items' }).filter({
      hasText: 'complete'
    }).waitFor()
    const say = await tab.message('say')
    await tab.write('Data of say', '{ "text": "again" }')
    for (let count = 0; count < 30; count++) await tab.press('Send', say)
    await page.evaluate(`(() => {
      const button = [...document.querySelectorAll('details.message button[type=submit]')][0]
      for (let count = 0; count < 600; count++) button.click()
    })()`)
    await page.getByText('1,000 entries').waitFor()
    // They are shown some at a time.
    await page.locator('.entry').nth(999).waitFor()
    t.equal(await page.locator('.entry').count(), 1_000)
    await tab.press('Clear')
    await page.getByText('Sent and received messages appear here.').waitFor()
  })

  await t.test('the page can be looked at in light and dark, wide and narrow', async () => {
    await tab.press('Send', await tab.message('say'))
    for (const type of ['join', 'ticks', 'fail']) {
      await tab.press('Send', await tab.message(type))
      await (await tab.message(type)).locator('summary').first().click()
    }
    await tab.entry('error').waitFor()
    await tab.entry('message').locator('summary').click()
    await page.locator('.route-main').evaluate((element) => { element.scrollTop = 0 })
    await tab.shoot('wide-light', 'light', 1440, 900)
    await tab.shoot('wide-dark', 'dark', 1600, 1000)
    await tab.shoot('middle-light', 'light', 1024, 800)
    await page.locator('.messages').evaluate((element) => { element.scrollIntoView() })
    await tab.shoot('narrow-messages', 'light', 390, 844)
    await tab.shoot('narrow-light', 'light', 390, 844, true)
    await tab.shoot('narrow-dark', 'dark', 360, 780, true)
    await page.setViewportSize({ width: 1440, height: 900 })
  })

  await t.test('nothing is wider than a narrow window, no entry wider than the log', async (t) => {
    for (const width of [360, 370, 380, 768, 1200]) {
      await page.setViewportSize({ width, height: 800 })
      t.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
      const tooWide = '[...document.querySelectorAll(\'.entry\')].filter((entry) => ' +
        'entry.scrollWidth > entry.clientWidth).map((entry) => entry.innerText)'
      t.strictSame(await page.evaluate(tooWide), [], `${width} px`)
    }
    await page.setViewportSize({ width: 1440, height: 900 })
  })
  await t.test('messages sent by a button are visible beside it in a narrow window', async () => {
    await page.setViewportSize({ width: 360, height: 740 })
    const message = await tab.message('say')
    await message.scrollIntoViewIfNeeded()
    await tab.press('Send', message)
    const entry = tab.entry('say').last()
    await entry.waitFor()
    await page.waitForFunction((element) => {
      const { top, bottom } = element!.getBoundingClientRect()
      return top > 0 && bottom <= (globalThis as unknown as { innerHeight: number }).innerHeight + 1
    }, await entry.elementHandle())
    await page.setViewportSize({ width: 1440, height: 900 })
  })

  await t.test('a close is explained', async (t) => {
    await tab.press('Send', await tab.message('leave'))
    const closed = tab.entry('closed 4401 token expired')
    t.match(
      await closed.innerText(),
      'The token has expired while connected. A client reconnects at once, with a new token.'
    )
    await tab.isIn('Not connected')
    await tab.shoot('closed', 'dark', 1440, 900)
    await tab.connect()
    await tab.press('Disconnect')
    t.match(
      await tab.entry('closed 1000').innerText(),
      'The connection was closed normally. A client does not reconnect by itself.'
    )
  })

  await t.test('a user who may not connect is told', async (t) => {
    await tab.choose('/admin')
    await tab.press('Connect')
    t.match(
      await tab.entry('refused 403 FSR_ERR_NOT_GRANTED').innerText(),
      'its user may not connect'
    )
  })

  await t.test('a route without a contract takes text and bytes', async (t) => {
    await tab.choose('/echo')
    await tab.connect()
    await page.getByLabel('Text').fill('{"any": "text"}')
    await tab.press('Send text')
    await tab.entry('text').filter({ hasText: 'any' }).nth(0).waitFor()
    t.match(await page.locator('.entry.received').last().innerText(), '{"any": "text"}')
    await page.getByLabel('Bytes in hexadecimal').fill('48 69 zz')
    await tab.press('Send binary')
    await page.getByText('“z” is not a hexadecimal digit').waitFor()
    await page.getByLabel('Bytes in hexadecimal').fill('48 69 00 ff')
    await tab.press('Send binary')
    const received = page.locator('.entry.received').filter({ hasText: 'binary' })
    t.match(await received.innerText(), /4 B/)
    t.match(await received.innerText(), '48 69 00 ff')
    await page.getByLabel('or a file').setInputFiles({
      name: 'x.bin',
      mimeType: 'application/octet-stream',
      buffer: Buffer.alloc(5_000, 1)
    })
    await tab.press('Send binary')
    await received.nth(1).filter({ hasText: '5.0 kB' }).waitFor()
    await tab.shoot('raw', 'light', 1440, 900)
  })

  t.same(
    tab.problems,
    [],
    'no script failed, the Content-Security-Policy kept nothing from the page, and it spoke to ' +
    'nobody else'
  )
})
