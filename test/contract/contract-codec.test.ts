import t from 'tap'
import { ContractCodec } from '../../src/contract/contract-codec.js'

t.test('a policy that looks at messages sees what is sent, with its type', async (t) => {
  t.same(new ContractCodec(new Map()).messageOf('said', { text: 'a' }), {
    type: 'said',
    data: { text: 'a' }
  })
})

t.test('before the app is ready it writes JSON, and takes any answer', async (t) => {
  const ask = { type: 'ask', data: {}, reply: {}, stream: undefined, isGranted: undefined }
  const codec = new ContractCodec(new Map([['ask', ask]]))
  const { accept, frame } = codec.requestOf('ask', { text: 'a' })
  t.equal(frame.bytes.toString(), '{"type":"ask","id":1,"data":{"text":"a"}}')
  t.equal(accept('anything'), 'anything')
})
