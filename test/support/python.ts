import { spawnSync } from 'node:child_process'

// Debian's own interpreter first: another on the PATH has not got Debian's packages.
const interpreters = ['/usr/bin/python3', 'python3']

/**
 * A Python that has the `websockets` package, the client of the tests that is not JavaScript;
 * `undefined` if there is none.
 */
export const python = interpreters.find(
  (interpreter) =>
    spawnSync(interpreter, ['-c', 'import websockets'], { stdio: 'ignore' }).status === 0
)

/**
 * Why a test is skipped that needs it; `undefined` if it is not. Where CI is set nothing may be
 * missing, so that the test fails.
 */
export const skipsWithoutPython = python === undefined && process.env['CI'] === undefined
  ? 'there is no Python with the package websockets: apt-get install python3-websockets'
  : undefined
