import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist', '.build', '.tap', 'coverage'] }),
  {
    files: ['**/*.ts'],
    // An augmented interface has to name the type parameters of the original, and TypeScript finds what is unused.
    rules: { '@typescript-eslint/no-unused-vars': 'off' }
  },
  {
    files: ['src/**/*.ts'],
    // One place tells what an error is, and one what a promise is: of any realm and any library.
    ignores: ['src/errors.ts'],
    rules: {
      'no-restricted-syntax': ['error', {
        selector: "BinaryExpression[operator='instanceof'][right.name=/^(Promise|Error)$/]",
        message: 'Use isThenable of thenable.ts, or asError of errors.ts'
      }]
    }
  },
  {
    files: ['src/**/*.ts'],
    rules: { '@stylistic/max-len': ['error', { code: 100, ignoreUrls: true }] }
  }
]
