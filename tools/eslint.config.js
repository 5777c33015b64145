import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist', '.build', '.tap', 'coverage'] }),
  {
    files: ['**/*.ts'],
    // An augmented interface has to name the type parameters of the original. TypeScript finds
    // unused names.
    rules: { '@typescript-eslint/no-unused-vars': 'off' }
  },
  {
    files: ['src/**/*.ts'],
    // Errors and promises of any realm and any library are recognised in one place each.
    ignores: ['src/errors.ts'],
    rules: {
      'no-restricted-syntax': ['error', {
        selector: "BinaryExpression[operator='instanceof'][right.name=/^(Promise|Error)$/]",
        message: 'Use isThenable of thenable.ts, or asError of errors.ts'
      }]
    }
  },
  {
    rules: { '@stylistic/max-len': ['error', { code: 100, ignoreUrls: true }] }
  },
  {
    ignores: ['src/**'],
    // Texts and patterns that cannot be divided.
    rules: {
      '@stylistic/max-len': ['error', {
        code: 100,
        ignoreUrls: true,
        ignoreTemplateLiterals: true,
        ignoreRegExpLiterals: true
      }]
    }
  }
]
