// The source files and their syntax trees. Nothing here knows a file or a folder of the sources by
// name: package.json leads to them.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import ts from 'typescript'

const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly exports: Readonly<Record<'.' | './client', { readonly default: string }>>
}
const sourceOf = (built: string): string => join('src', relative('dist', built)).replace(
  /\.js$/,
  '.ts'
)

/** The file that has every public name. */
export const entryPoint = sourceOf(exports['.'].default)
const root = dirname(entryPoint)
const client = dirname(sourceOf(exports['./client'].default)) + sep

/** A source file. */
export interface Source {
  /** Its path below the folder of the sources. */
  readonly file: string
  readonly text: string
  /** Whether it belongs to the typed client, which is a program of its own. */
  readonly isOfClient: boolean
}

/** @param path from the current directory, or absolute. */
export function readSource (path: string): Source {
  const file = relative(root, path)
  const text = readFileSync(path, 'utf8')
  return { file, text, isOfClient: join(root, file).startsWith(client) }
}

/** All source files. */
export function readSources (): Source[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readSource(join(root, name)))
}

/** Parses a source file. */
export function parse ({ file, text }: Source): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
}

/** A function, method, accessor or constructor with a body, which an overload does not have. */
export type Implementation = ts.FunctionLikeDeclaration & { readonly body: ts.ConciseBody }

export function isImplementation (node: ts.Node): node is Implementation {
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined
}

/** Calls back with each node of a tree, outer nodes first. */
export function walk (node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => { walk(child, visit) })
}

/** The name of a function, or the name of the function around a callback. */
export function nameOf (node: ts.Node): string {
  if (ts.isConstructorDeclaration(node)) return `new ${node.parent.name?.text ?? 'class'}`
  const isAnonymous = ts.isArrowFunction(node) || (ts.isFunctionExpression(node) && !node.name)
  const { name } = (isAnonymous ? node.parent : node) as { readonly name?: ts.Node }
  if (name !== undefined) return name.getText()
  const outer = ts.findAncestor(node.parent, isImplementation)
  return outer === undefined ? 'callback' : `callback in ${nameOf(outer)}`
}
