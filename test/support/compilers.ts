/**
 * The compilers that types are tested with: the name, and the folder of the package. In CI older
 * ones too, which take several times as long as TypeScript 7.
 */
export const compilers: ReadonlyArray<readonly [name: string, folder: string]> = [
  ['TypeScript 7', 'node_modules/typescript-7'],
  ...(process.env['CI'] === undefined
    ? []
    : [
        ['TypeScript 6', 'node_modules/typescript'],
        ['TypeScript 5.9', 'tools/node_modules/typescript-5']
      ] as const)
]
