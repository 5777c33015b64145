/**
 * Whether `await` would wait for a value: an object or a function with a method `then`, of any library and any realm. This is the only
 * place where that is asked.
 *
 * @throws what a getter of `then` throws.
 */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') && typeof (value as { readonly then?: unknown }).then === 'function'
}

/** Goes on with a value: at once, or when it has settled. @throws what `isThenable` and `next` throw. */
export function then<Value, Result> (value: Value, next: (value: Awaited<Value>) => Result | PromiseLike<Result>): Result | Promise<Result> {
  return (isThenable(value) ? after(value as Value & PromiseLike<unknown>, next) : next(value as Awaited<Value>)) as Result | Promise<Result>
}

/**
 * Calls a function of the app, and goes on with what it returns, or with what it fails by: at once, or when that has settled.
 *
 * @throws what `next` and `fail` throw.
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

/** Lets go of a value that is not awaited: if it rejects, the process goes on. */
export async function discard (value: unknown): Promise<void> {
  try {
    await value
  } catch {
    // The caller has said already that it takes no promise.
  }
}

// `await` alone is safe with any thenable: it reads `then` once, calls it in a turn of its own, and takes its first answer.
async function after<Value, Result> (value: Value, next: (value: Awaited<Value>) => Result | PromiseLike<Result>): Promise<Result> {
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
