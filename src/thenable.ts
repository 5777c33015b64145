/**
 * Whether `await` would wait for a value: an object or a function with a method `then`, of any
 * library and any realm. No other module of `src` checks this.
 *
 * @throws the error of a `then` getter.
 */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { readonly then?: unknown }).then === 'function'
}

/**
 * Calls `next` with a value: at once, or, if the value is a promise, when it has been fulfilled.
 *
 * @throws the errors of `isThenable` and `next`.
 */
export function then<Value, Result> (
  value: Value,
  next: (value: Awaited<Value>) => Result | PromiseLike<Result>
): Result | Promise<Result> {
  return (isThenable(value)
    ? after(value as Value & PromiseLike<unknown>, next)
    : next(value as Awaited<Value>)) as Result | Promise<Result>
}

/**
 * Calls a function of the app, then `next` with the value it returns or `fail` with the error it
 * throws: at once, or, if it returns a promise, when that has settled.
 *
 * @throws the errors of `next` and `fail`.
 */
export function attempt<Value, Result, Failure> (
  call: () => Value,
  next: (value: Awaited<Value>) => Result,
  fail: (error: unknown) => Failure
): Result | Failure | Promise<Awaited<Result | Failure>> {
  let value: Value
  try {
    value = call()
    if (isThenable(value)) return settled(value as Value & PromiseLike<unknown>, next, fail)
  } catch (error) {
    return fail(error)
  }
  return next(value as Awaited<Value>)
}

/** Ignores a value that may be a promise: its rejection does not end the process. */
export async function discard (value: unknown): Promise<void> {
  try {
    await value
  } catch {
    // The caller has already reported that it takes no promise.
  }
}

// Only `await` is safe with any thenable: it reads `then` once, calls it in a microtask of its own,
// and ignores all but the first settlement.
async function after<Value, Result> (
  value: Value,
  next: (value: Awaited<Value>) => Result | PromiseLike<Result>
): Promise<Result> {
  return await next(await value)
}

async function settled<Value, Result, Failure> (
  pending: Value,
  next: (value: Awaited<Value>) => Result,
  fail: (error: unknown) => Failure
): Promise<Awaited<Result | Failure>> {
  let value: Awaited<Value>
  try {
    value = await pending
  } catch (error) {
    return await fail(error)
  }
  return await next(value)
}
