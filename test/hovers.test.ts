// The types that an editor shows, at each name of a program that uses the whole package.
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'

// The compiler takes seconds, on a busy machine many.
t.setTimeout(300_000)

const root = process.cwd()
const types = join(root, 'test', 'types')
const file = join(types, 'shown.ts')
const entries = ['index', 'client/index', 'operate/asyncapi/index', 'operate/ui/ui']
  .map((name) => join(root, 'src', `${name}.ts`))

const ignore = { ...ts.sys, onUnRecoverableConfigFileDiagnostic () {} }
const config = ts.getParsedCommandLineOfConfigFile(join(types, 'tsconfig.json'), {}, ignore)
const service = ts.createLanguageService({
  getCurrentDirectory: () => root,
  fileExists: ts.sys.fileExists,
  readFile: ts.sys.readFile,
  getCompilationSettings: () => config!.options,
  getScriptFileNames: () => [file, ...entries],
  getScriptVersion: () => '',
  getScriptSnapshot: (name) => {
    const text = ts.sys.readFile(name)
    return text === undefined ? text : ts.ScriptSnapshot.fromString(text)
  },
  getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options)
})
const program = service.getProgram()!
const source = program.getSourceFile(file)!

function identifiers (node: ts.Node): ts.Identifier[] {
  return ts.isIdentifier(node)
    ? [node]
    : node.getChildren(source).flatMap((child) => identifiers(child))
}

/** Returns the parts of the text that an editor shows for each identifier of the program. */
function readHovers (): ReadonlyArray<readonly [name: string, shown: ts.SymbolDisplayPart[]]> {
  return identifiers(source).map((identifier) => {
    const info = service.getQuickInfoAtPosition(file, identifier.getStart(source))
    return [identifier.text, info?.displayParts ?? []] as const
  })
}

/** Returns the names of the types of the sources that no entry of the package exports. */
function internalNames (): Set<string> {
  const checker = program.getTypeChecker()
  const exported = new Set(entries.flatMap((entry) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!
    return checker.getExportsOfModule(module).map(({ name }) => name)
  }))
  const declared = program.getSourceFiles()
    .filter(({ fileName }) => fileName.startsWith(join(root, 'src/')))
    .flatMap(({ statements }) => statements.filter((statement) =>
      ts.isTypeAliasDeclaration(statement) ||
      ts.isInterfaceDeclaration(statement) ||
      ts.isClassDeclaration(statement)))
    .map(({ name }) => name!.text)
  // Node has a class of this name too.
  return new Set(declared.filter((name) => !exported.has(name) && name !== 'Server'))
}

const hovers = readHovers()

t.test('an editor shows no internal type', async (t) => {
  const internal = internalNames()
  t.ok(['ClientSet', 'PartOf', 'Uninferred', 'Shown'].every((name) => internal.has(name)))
  t.ok(hovers.length > 200, `${hovers.length} names`)
  for (const [name, parts] of hovers) {
    const found = parts
      .filter(({ kind, text }) => kind !== 'typeParameterName' && internal.has(text))
      .map(({ text }) => text)
    t.strictSame(found, [], `${name}: ${ts.displayPartsToString(parts)}`)
  }
})

t.test('an editor shows a connection by what its route adds to any connection', async (t) => {
  const events = `Events: { ${[
    'readonly line: { data: { text: string; }; reply: undefined; };',
    'readonly bye: { data: undefined; reply: undefined; };',
    'readonly ask: { data: { text: string; }; reply: boolean; };'
  ].join(' ')} }; `
  const shown = hovers.map(([, parts]) =>
    ts.displayPartsToString(parts).replace(/\s+/g, ' '))
  for (const text of [
    '(parameter) opened: WsConnection<{ Params: { room: string; }; }>',
    '(parameter) clients: Clients<WsConnection<{ Params: { room: string; }; }>>',
    `(parameter) connection: WsConnection<{ Params: { room: string; }; ${events}}>`,
    `(parameter) context: MessageContext<WsConnection<{ Params: { room: string; }; ${events}}>>`,
    'const raw: SocketRouteHandle<WsConnection<{ Params: { room: string; }; }>, "none">',
    '(parameter) headers: IncomingHttpHeaders & { "x-device": string; }',
    '(parameter) query: { page: number; }',
    '(parameter) line: { text: string; }',
    'const tick: number',
    'const reply: number'
  ]) t.ok(shown.includes(text), text)
})
