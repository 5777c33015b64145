import { h } from './element.js'
import { indented, isJson, tokensOf } from './json-text.js'

// What a browser colours at once.
const LONGEST = 60_000

/** A text in a block: indented and coloured if it is JSON, else as it is. */
export function jsonView (text: string): HTMLElement {
  const block = h('pre', { class: 'json' })
  if (text.length > LONGEST) {
    block.append(text.slice(0, LONGEST), h('em', {}, `\n… and ${(text.length - LONGEST).toLocaleString('en')} characters more. Copy gives them all.`))
  } else if (isJson(text)) {
    // One after the other, as a browser may not take as many arguments as there are pieces.
    for (const piece of indented(tokensOf(text))) block.append(typeof piece === 'string' ? piece : h('span', { class: `json-${piece.kind}` }, piece.text))
  } else block.append(text)
  return block
}
