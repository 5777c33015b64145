// Traces and figures of the sources. Only one number is held, that of a contract's request: others
// change with the sources.
import t from 'tap'
import { instrument, type Call } from '../../bench/instrument.js'
import { figuresOf } from '../../bench/source-figures.js'
import { readSources, type Source } from '../../bench/sources.js'
import { listing, sourceTable, traceTable } from '../../bench/trace.js'
import { countsOf, traceAll } from '../../bench/traces.js'

const sourceOf = (text: string, file = 'a.ts'): Source => ({ file, text, isOfClient: false })
const callsIn = (...files: string[]): Call[] => files.map((file) => ({ file, name: 'run' }))

t.test('a stay is a run of calls within one file; a return is to an earlier file', async (t) => {
  t.strictSame(countsOf([]), { calls: 0, stays: 0, files: 0, returns: 0 })
  t.strictSame(countsOf(callsIn('a', 'a', 'b', 'a', 'c', 'c')), {
    calls: 6,
    stays: 4,
    files: 3,
    returns: 1
  })
  t.equal(
    listing(callsIn('a', 'a', 'b')),
    ['a', '', 'b'].map((file) => `${file.padEnd(40)}run`).join('\n')
  )
})

t.test('each function with a body reports its call first, and works as before', async (t) => {
  const functions: Call[] = []
  const text = instrument(sourceOf(`
    class Base { constructor () { this.first = 1 } }
    class Derived extends Base {
      constructor () { super(); this.second = 2 }
      get sum () { return this.first + this.second }
      static pair = (one, other) => ({ one, other })
    }
    function * items () { yield [1].map((item) => item + new Derived().sum)[0] }
    return [[...items()][0], Derived.pair(1, 2)]
  `), functions)
  const calls: number[] = []
  // eslint-disable-next-line no-new-func
  const result: unknown = new Function('reportCallOfBenchTrace', text)((index: number) => {
    calls.push(index)
  })
  t.strictSame(result, [4, { one: 1, other: 2 }])
  t.strictSame(calls.map((index) => functions[index]!.name), [
    'items',
    'callback in items',
    'new Derived',
    'new Base',
    'sum',
    'pair'
  ])
})

t.test('overloads, abstract methods and types report nothing', async (t) => {
  const functions: Call[] = []
  const text = 'function run (): void; abstract class A { abstract b (): void }; type C = () => ' +
    'void'
  t.equal(instrument(sourceOf(text), functions), text)
  t.strictSame(functions, [])
})

t.test('lines, functions, casts and words are counted', async (t) => {
  const figures = figuresOf([
    sourceOf('function long () {\n  // Whoever\n  return 1 as number\n}\n', 'a.ts'),
    sourceOf(`const a = ['x'] as const\n// ${'x'.repeat(98)}\n`, 'b.ts'),
    sourceOf(`const f = () => 1 // ${'x'.repeat(120)}\n`, 'c.ts')
  ])
  t.strictSame(figures, {
    files: 3,
    lines: 7,
    median: 2,
    longestFile: { length: 4, name: 'a.ts' },
    longestFunction: { length: 4, name: 'long of a.ts' },
    longestLine: { length: 141, name: 'c.ts:1' },
    over100: 2 / 7,
    over120: 1 / 7,
    casts: 1,
    words: 1
  })
  t.match(figuresOf([sourceOf('a\nb'), sourceOf('a\nb\nc')]), {
    median: 2.5,
    longestFunction: { length: 0 }
  })
})

t.test('the sources are read with the client and without it', async (t) => {
  const sources = readSources()
  const clients = sources.filter(({ isOfClient }) => isOfClient)
  t.ok(clients.length > 5 && clients.length < sources.length / 2)
  t.match(sourceTable(), /^\| files \| \d{2,3} \| \d{3} \|$/m)
})

t.test('a server is traced in every form, through files of the sources', async (t) => {
  const traces = await traceAll()
  const files = new Set(readSources().map(({ file }) => file))
  t.equal(traces.size, 5)
  for (const [name, byForm] of traces) {
    for (const [form, calls] of Object.entries(byForm)) {
      const counts = countsOf(calls)
      t.ok(
        counts.files > 3 && counts.stays > counts.files && counts.calls > counts.stays,
        `${name}, ${form}: ${JSON.stringify(counts)}`
      )
      t.strictSame(calls.filter(({ file }) => !files.has(file)), [])
    }
  }
  const raw = countsOf(traces.get('raw text echoed')!['fast path'])
  const contract = countsOf(traces.get('contract request and its reply')!['fast path'])
  t.ok(raw.stays < contract.stays, 'a contract has more to do')
  t.ok(
    contract.stays <= 40 && contract.files <= 14,
    `a request and its reply stay in at most 14 files, 40 times: ${JSON.stringify(contract)}`
  )
  t.match(traceTable(traces), /^\| raw text echoed( \| \d+){9} \|$/m)
})
