import { runInNewContext } from 'node:vm'

/** A way for a function of an app to fail, or to return an unexpected value. */
export type Hostile = () => unknown

const looked = (): never => { throw new Error('looked at') }

// An error that throws when it is read.
function spiteful (): Error {
  const error = new Error('spiteful')
  for (const name of [
    'code', 'name', 'message', 'stack', 'cause', 'statusCode', 'headers', 'close', 'toJSON',
    'toString'
  ]) {
    Object.defineProperty(error, name, { enumerable: true, get: looked })
  }
  return error
}

function revoked (target: object = {}): object {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

const trapped = (): object => new Proxy(new Error('trapped'), {
  get: looked,
  has: looked,
  getPrototypeOf: looked,
  ownKeys: looked,
  getOwnPropertyDescriptor: looked
})

/** Values that may be thrown, or rejected with. */
const thrown: Record<string, () => unknown> = {
  undefined: () => undefined,
  'a text': () => 'no',
  'an error': () => new Error('no'),
  'a frozen error': () => Object.freeze(new Error('no')),
  'an error of another realm': () => runInNewContext("new Error('no')"),
  'an error with getters that throw': spiteful,
  'an error with getters that throw behind its prototype': () => Object.create(spiteful()),
  'a proxy that throws': trapped,
  'a revoked proxy': () => revoked(),
  'an error like those of HTTP': () => Object.assign(new Error('no'), {
    statusCode: 200,
    headers: null,
    code: Symbol('no')
  }),
  'an error with a cause that throws': () => new Error('no', { cause: spiteful() }),
  'a cycle of causes': () => {
    const error = new Error('no')
    return Object.assign(error, { cause: error })
  }
}

/** How a promise, or what is taken for one, fails. */
const pending: Record<string, (reason: () => unknown) => unknown> = {
  'a promise': (reason) => Promise.reject(reason()),
  'a promise of another realm': (reason) =>
    runInNewContext('(reason) => Promise.reject(reason)')(reason()),
  'a thenable': (reason) => ({
    then: (_resolve: unknown, reject: (error: unknown) => void) => {
      setImmediate(reject, reason())
    }
  }),
  'a function with then': (reason) => Object.assign(
    () => {},
    { then: (_resolve: unknown, reject: (error: unknown) => void) => { reject(reason()) } }
  ),
  'a thenable whose then throws': (reason) => ({ then () { throw reason() } }),
  'a getter of then that throws': (reason) => ({ get then () { throw reason() } }),
  'a thenable that rejects twice, and throws': (reason) => ({
    then (_resolve: unknown, reject: (error: unknown) => void) {
      reject(reason())
      reject(reason())
      throw reason()
    }
  }),
  'a proxy of a thenable': (reason) => new Proxy(
    { then: (_resolve: unknown, reject: (error: unknown) => void) => { reject(reason()) } },
    {}
  ),
  'a promise whose then was replaced': (reason) => Object.assign(Promise.reject(reason()), {
    then: (_resolve: unknown, reject: (error: unknown) => void) => { reject(reason()) }
  })
}

/** All ways to fail, at once and later. */
export const failures: ReadonlyArray<readonly [what: string, fail: Hostile]> = [
  ...Object.entries(thrown).map(
    ([what, reason]) => [`throws ${what}`, () => { throw reason() }] as const
  ),
  ...Object.entries(thrown).map(
    ([what, reason]) => [`rejects with ${what}`, () => pending['a promise']!(reason)] as const
  ),
  ...Object.entries(pending).map(
    ([what, make]) => [`returns ${what} that fails`, () => make(() => new Error('no'))] as const
  ),
  ['returns a thenable that fails with a proxy that throws', () => pending['a thenable']!(trapped)]
]

/** Values that are no answer to any question. */
export const nonsense: ReadonlyArray<readonly [what: string, give: Hostile]> = [
  ['returns a number', () => 5],
  ['returns a symbol', () => Symbol('no')],
  ['returns a big integer', () => 5n],
  ['returns a revoked proxy', () => revoked()],
  ['returns a proxy that throws', trapped],
  ['returns a revoked function', () => revoked(() => {})],
  ['returns a frozen object', () => Object.freeze({})],
  ['returns an object of another realm', () => runInNewContext('({ map: new Map() })')],
  [
    'returns an object with getters that throw',
    () => ({
      get value () { return looked() },
      get error () { return looked() },
      get toJSON () { return looked() }
    })
  ],
  ['returns a promise of a number', async () => 5],
  ['returns a promise of a promise that rejects', async () => ({ inner: Promise.resolve(5) })],
  ['returns a map', () => new Map()]
]
