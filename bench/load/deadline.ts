const MOST = 60_000

/** Returns the value of a promise, or throws if it takes too long. */
export async function deadline<Value> (what: string, promise: Promise<Value>): Promise<Value> {
  let timer!: NodeJS.Timeout
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => { reject(new Error(`Some ${what} did not come within ${MOST / 1000} s`)) },
      MOST
    )
  })
  return await Promise.race([promise, late]).finally(() => { clearTimeout(timer) })
}
