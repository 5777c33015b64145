import { h } from './element.js'
import { indented, isJson, tokensOf } from './json-text.js'

// The longest text, in characters, that is coloured.
const LONGEST = 60_000

/** Shows a text in a block: indented and coloured if it is JSON, otherwise as it is. */
export function jsonView (text: string): HTMLElement {
  const block = h('pre', { class: 'json' })
  if (text.length > LONGEST) {
    const more = (text.length - LONGEST).toLocaleString('en')
    block.append(
      text.slice(0, LONGEST),
      h('em', {}, `\n… and ${more} characters more. Copy gives them all.`)
    )
  } else if (isJson(text)) {
    // Appended one by one, as a browser limits the number of arguments of a call.
    for (const piece of indented(tokensOf(text))) {
      block.append(
        typeof piece === 'string' ? piece : h('span', { class: `json-${piece.kind}` }, piece.text)
      )
    }
  } else block.append(text)
  return block
}
