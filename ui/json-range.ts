import type { SyntaxNode, Tree } from '@lezer/common'
import type { Text } from '@codemirror/state'
import { fromSegment } from '../src/operate/asyncapi/json-pointer.js'
import { decode } from './schema.js'

/**
 * Returns the range of the value at a JSON Pointer (RFC 6901) in a text, or of the nearest parent.
 */
export function rangeAt (tree: Tree, text: Text, pointer: string): { from: number, to: number } {
  let node: null | SyntaxNode = tree.topNode.firstChild
  for (const part of pointer.split('/').slice(1)) {
    const name = fromSegment(decode(part))
    const next = node === null ? null : childOf(node, text, name)
    if (next === null) break
    node = next
  }
  if (node === null) return { from: 0, to: text.length }
  // Underlining a whole object would say nothing; its first bracket is enough.
  return {
    from: node.from,
    to: node.name === 'Object' || node.name === 'Array' ? node.from + 1 : node.to
  }
}

function childOf (node: SyntaxNode, text: Text, name: string): null | SyntaxNode {
  if (node.name === 'Array') {
    const values = childrenOf(node).filter((child) => !['[', ']', ',', '⚠'].includes(child.name))
    return values[Number(name)] ?? null
  }
  if (node.name !== 'Object') return null
  const property = childrenOf(node).find((child) => {
    const key = child.getChild('PropertyName')
    return key !== null && unquoted(text.sliceString(key.from, key.to)) === name
  })
  return property?.lastChild ?? null
}

function childrenOf (node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = []
  for (let child = node.firstChild; child !== null; child = child.nextSibling) children.push(child)
  return children
}

function unquoted (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
