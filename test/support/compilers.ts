/** The compilers that types are tested with: in CI TypeScript 6 as well, which takes several times as long as TypeScript 7. */
export const compilers: ReadonlyArray<readonly [name: string, folder: string]> = [
  ['TypeScript 7', 'typescript-7'],
  ...(process.env['CI'] === undefined ? [] : [['TypeScript 6', 'typescript'] as const])
]
