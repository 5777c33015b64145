const WORDS = 'the train to the coast leaves at nine and we still have two seats left by the ' +
  'window so tell me soon whether you both want to come along '

// The same on every run.
function * random (): Generator<number, never> {
  let state = 42
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state
  }
}

/**
 * Text of so many bytes, of which each number has another: `#000017 the train…`. Nothing in it
 * needs to be escaped in JSON.
 */
export function text (size: number, number: number): string {
  const label = `#${String(number).padStart(6, '0')} `
  return (label + WORDS.slice(number % 32)).padEnd(
    size,
    WORDS.repeat(Math.ceil(size / WORDS.length))
  ).slice(0, size)
}

/** JSON of so many bytes, as a chat or a feed has it. */
export function json (size: number, number: number): string {
  const numbers = random()
  for (let skip = 0; skip < number; skip++) numbers.next()
  const next = (): number => numbers.next().value
  const items: object[] = []
  while (JSON.stringify({ items }).length < size) {
    items.push({
      id: next().toString(16),
      user: `user-${next() % 1000}`,
      at: new Date(1_700_000_000_000 + next()).toISOString(),
      text: WORDS.slice(next() % 60, 60 + next() % 60),
      seen: next() % 2 === 0
    })
  }
  return JSON.stringify({ items }).slice(0, size)
}

/** A message that the target is to parse, and what it is to answer. */
export function request (number: number): { question: string, answer: string } {
  const id = String(number).padStart(6, '0')
  return {
    question: JSON.stringify({
      type: 'store',
      id,
      user: { name: 'alice', roles: ['ROLE_USER'] },
      items: [{ sku: 'A-1', count: 2, price: 19.9 }, { sku: 'B-7', count: 1, price: 4.5 }],
      note: 'leave it at the door'
    }),
    answer: JSON.stringify({ type: 'stored', id, by: 'alice' })
  }
}

/** The same as a message of a contract. The id is a string, so that all are of one size. */
export function contractRequest (number: number): { question: string, answer: string } {
  const { question, answer } = request(number)
  const { type, id, ...order } = JSON.parse(question) as { type: string, id: string }
  const { by } = JSON.parse(answer) as { by: string }
  return {
    question: JSON.stringify({ type, id, data: order }),
    answer: JSON.stringify({ type: 'reply', id, data: { by } })
  }
}
