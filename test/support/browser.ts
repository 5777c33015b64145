import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'
import type { Test } from 'tap'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'

/** Why tests with a browser cannot run; `undefined` if they can. */
export const browserMissing: undefined | string = existsSync(executablePath) ? undefined : 'Chromium is missing: apt-get install chromium'

/** The options of a test with a browser: skipped where there is none, but not in CI, where it fails instead. */
export const browserTest: { skip?: string } = browserMissing === undefined || process.env['CI'] ? {} : { skip: browserMissing }

/** Starts Chromium; it is closed when the test ends. */
export async function launch (t: Test): Promise<Browser> {
  if (browserMissing !== undefined) throw new Error(browserMissing)
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync'
    ]
  })
  t.teardown(() => browser.close())
  return browser
}
