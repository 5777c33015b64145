import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'
import tap, { type Test } from 'tap'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'

/** Why tests with a browser cannot run; `undefined` if they can. */
export const browserMissing: undefined | string = existsSync(executablePath)
  ? undefined
  : 'Chromium is missing: apt-get install chromium'

// Milliseconds for a file and for each test in it, as Chromium takes minutes on a busy machine.
const timeout = 900_000
tap.setTimeout(timeout)

/**
 * Milliseconds for what a page does by itself, which takes a second or two where nothing else runs.
 */
export const PATIENCE = 90_000

/**
 * The options of a test with a browser: skipped where there is none, but not in CI, where it fails
 * instead.
 */
export const browserTest: { timeout: number, skip?: string } = {
  timeout,
  ...(browserMissing === undefined || process.env['CI'] ? {} : { skip: browserMissing })
}

/** Starts Chromium; it is closed when the test ends. */
export async function launch (t: Test): Promise<Browser> {
  if (browserMissing !== undefined) throw new Error(browserMissing)
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    timeout,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'
    ]
  })
  t.teardown(() => browser.close())
  return browser
}
