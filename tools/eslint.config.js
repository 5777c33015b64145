import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist', '.build', '.tap', 'coverage'] }),
  {
    files: ['**/*.ts'],
    // An augmented interface has to name the type parameters of the original, and TypeScript finds what is unused.
    rules: { '@typescript-eslint/no-unused-vars': 'off' }
  }
]
