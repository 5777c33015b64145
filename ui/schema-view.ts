import { h, prose } from './element.js'
import { isObject, nameOf, resolve, type Schema } from './schema.js'

const DEEPEST = 8
const combinations = [['anyOf', 'any of'], ['oneOf', 'one of'], ['allOf', 'all of']] as const

/** Shows a schema: its properties, their types, and their descriptions. */
export function schemaView (document: unknown, schema: Schema): HTMLElement {
  return h('div', { class: 'schema' }, ...describe(document, schema, []))
}

function describe (document: unknown, given: Schema, above: readonly unknown[]): HTMLElement[] {
  const schema = resolve(document, given)
  const parts: HTMLElement[] = [h('p', { class: 'schema-line' }, ...typeLine(document, given))]
  if (!isObject(schema)) return parts
  if (typeof schema['description'] === 'string') {
    parts.push(h('p', { class: 'schema-about' }, ...prose(schema['description'])))
  }
  if (above.includes(schema) || above.length >= DEEPEST) return parts
  const below = [...above, schema]
  const { properties, items, prefixItems } = schema
  if (isObject(properties)) {
    const required = Array.isArray(schema['required']) ? schema['required'] : []
    const rows = Object.entries(properties).map(([name, property]) =>
      h('li', {},
        h('code', { class: 'schema-name' }, name),
        required.includes(name)
          ? h('span', { class: 'required', title: 'required' }, ' required')
          : undefined,
        ...describe(document, property as Schema, below)
      )
    )
    if (rows.length > 0) parts.push(h('ul', {}, ...rows))
  }
  const listed = Array.isArray(prefixItems) ? prefixItems : Array.isArray(items) ? items : undefined
  if (listed !== undefined) {
    parts.push(h('ol', {},
      ...listed.map((item) => h('li', {}, ...describe(document, item as Schema, below)))
    ))
  } else if (isObject(items) && hasParts(document, items)) {
    parts.push(
      h('ul', {},
        h('li', {},
          h('span', { class: 'schema-name' }, 'each'),
          ...describe(document, items, below)
        )
      )
    )
  }
  for (const [keyword, words] of combinations) {
    const choices = schema[keyword]
    if (!Array.isArray(choices)) continue
    parts.push(
      h('p', { class: 'schema-line' }, words),
      h('ul', {},
        ...choices.map((choice) => h('li', {}, ...describe(document, choice as Schema, below)))
      )
    )
  }
  return parts
}

function hasParts (document: unknown, schema: Schema): boolean {
  const target = resolve(document, schema)
  return isObject(target) &&
    ['properties', 'items', 'anyOf', 'oneOf', 'allOf', 'description'].some((keyword) =>
      target[keyword] !== undefined
    )
}

function typeLine (document: unknown, given: Schema): Array<Node | string> {
  const schema = resolve(document, given)
  if (!isObject(schema)) {
    return [h('span', { class: 'schema-type' }, schema === false ? 'nothing' : 'anything')]
  }
  const name = nameOf(given)
  const line: Array<Node | string> = [
    h('span', { class: 'schema-type' }, typeText(document, schema))
  ]
  if (name !== undefined) line.push(' ', h('span', { class: 'schema-ref' }, name))
  for (const limit of limitsOf(schema)) line.push(' ', h('span', { class: 'schema-limit' }, limit))
  return line
}

function typeText (document: unknown, schema: Record<string, unknown>): string {
  const { type, const: constant, enum: choices, format, items } = schema
  if (constant !== undefined) return JSON.stringify(constant)
  if (Array.isArray(choices)) {
    return choices.slice(0, 20).map((choice) => JSON.stringify(choice)).join(' | ') +
      (choices.length > 20 ? ' | …' : '')
  }
  const names =
    (Array.isArray(type) ? type : [type ?? (isObject(schema['properties']) ? 'object' : undefined)])
      .filter((name) => typeof name === 'string')
  if (names.length === 0) {
    return ['anyOf', 'oneOf', 'allOf'].some((keyword) => schema[keyword] !== undefined)
      ? ''
      : 'anything'
  }
  const item = isObject(items) ? resolve(document, items) : undefined
  const text = names.join(' | ')
  if (text === 'array' && isObject(item) && typeof item['type'] === 'string') {
    return `array of ${item['type']}`
  }
  return typeof format === 'string' ? `${text} (${format})` : text
}

function limitsOf (schema: Record<string, unknown>): string[] {
  const say = (keyword: string, words: (value: string) => string): string[] =>
    schema[keyword] === undefined
      ? []
      : [words(
          typeof schema[keyword] === 'object'
            ? JSON.stringify(schema[keyword])
            : String(schema[keyword])
        )]
  return [
    ...say('minimum', (value) => `≥ ${value}`),
    ...say('exclusiveMinimum', (value) => `> ${value}`),
    ...say('maximum', (value) => `≤ ${value}`),
    ...say('exclusiveMaximum', (value) => `< ${value}`),
    ...say('multipleOf', (value) => `multiple of ${value}`),
    ...between(schema['minLength'], schema['maxLength'], 'character'),
    ...say('pattern', (value) => `matches ${value}`),
    ...between(schema['minItems'], schema['maxItems'], 'item'),
    ...say('uniqueItems', () => 'no item twice'),
    ...say('default', (value) => `default ${value}`),
    ...(schema['additionalProperties'] === false ? ['no other properties'] : [])
  ]
}

function between (least: unknown, most: unknown, what: string): string[] {
  const count = (number: unknown): string => `${String(number)} ${what}${number === 1 ? '' : 's'}`
  if (typeof least === 'number' && typeof most === 'number') {
    return [least === most ? count(least) : `${least} to ${count(most)}`]
  }
  if (typeof least === 'number') return [`at least ${count(least)}`]
  return typeof most === 'number' ? [`at most ${count(most)}`] : []
}
