// The plugin, built from its sources so that each function reports that it is called.
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'
import ts from 'typescript'
import {
  entryPoint, isImplementation, nameOf, parse, readSource, walk, type Source
} from './sources.js'

/** A function that was called. */
export interface Call {
  /** Its file, below the folder of the sources. */
  readonly file: string
  readonly name: string
}

/** The plugin, with a recorder. */
export interface Instrumented {
  readonly plugin: typeof import('fastify-socket-route').default
  /** Returns the calls of the plugin's functions during `run`, in their order. */
  record (run: () => Promise<unknown>): Promise<Call[]>
}

// The global function that the instrumented functions call.
const REPORT = 'reportCallOfBenchTrace'

/**
 * Adds to each function, as its first statement, the report of its number. A generator reports when
 * its first item is asked for, and an async function not again after an `await`. What initialises
 * the fields of a class is not a function.
 *
 * @param functions gets the function of each number.
 */
export function instrument (source: Source, functions: Call[]): string {
  const { file, text } = source
  const insertions: Array<readonly [at: number, text: string]> = []
  walk(parse(source), (node) => {
    if (!isImplementation(node)) return
    const { body } = node
    const report = `${REPORT}(${functions.push({ file, name: nameOf(node) }) - 1})`
    if (ts.isBlock(body)) insertions.push([body.getStart() + 1, `${report};`])
    else insertions.push([body.getStart(), `(${report},`], [body.end, ')'])
  })
  insertions.sort(([one], [other]) => other - one)
  return insertions.reduce((text, [at, added]) => text.slice(0, at) + added + text.slice(at), text)
}

/** Builds the plugin, instrumented, and loads it. One at a time: its functions report globally. */
export async function loadInstrumented (): Promise<Instrumented> {
  const functions: Call[] = []
  let calls: undefined | Call[]
  Object.assign(globalThis, { [REPORT]: (index: number) => { calls?.push(functions[index]!) } })
  const directory = mkdtempSync(join(tmpdir(), 'fastify-socket-route-'))
  try {
    const outfile = join(directory, 'plugin.mjs')
    // The packages of this project, as the same modules that it loads itself.
    symlinkSync(resolve('node_modules'), join(directory, 'node_modules'))
    await build({
      entryPoints: [entryPoint],
      outfile,
      bundle: true,
      packages: 'external',
      format: 'esm',
      platform: 'node',
      target: 'es2022',
      plugins: [reporting(functions)]
    })
    const { default: plugin } = await import(
      pathToFileURL(outfile).href
    ) as typeof import('fastify-socket-route')
    return {
      plugin,
      async record (run) {
        const recorded: Call[] = calls = []
        await run()
        calls = undefined
        return recorded
      }
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function reporting (functions: Call[]): Plugin {
  return {
    name: 'report calls',
    setup ({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => ({
        loader: 'ts',
        contents: instrument(readSource(path), functions)
      }))
    }
  }
}
