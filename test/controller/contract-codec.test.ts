import t from 'tap'
import { ContractCodec } from '../../src/controller/contract-codec.js'

t.test('a policy that looks at messages sees what is sent, with its type', async (t) => {
  t.same(new ContractCodec(new Map()).messageOf('said', { text: 'a' }), { type: 'said', data: { text: 'a' } })
})
