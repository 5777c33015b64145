import t from 'tap'
import {
  errorText,
  isId,
  itemText,
  LONGEST_ID,
  messageText,
  parseEnvelope,
  reservedTypes
} from '../../src/protocol/envelope.js'

t.test('a message has its fields in one order, and no field that it does not need', async (t) => {
  t.equal(messageText('say'), '{"type":"say"}')
  t.equal(
    messageText('say', undefined, '{ "n": 1.0 }'),
    '{"type":"say","data":{ "n": 1.0 }}',
    'the data is sent as it is written'
  )
  t.equal(
    messageText('"say"', 'a "b"', 'null'),
    '{"type":"\\"say\\"","id":"a \\"b\\"","data":null}'
  )
  t.equal(messageText('cancel', 0), '{"type":"cancel","id":0}')
  t.equal(itemText(1, '2'), '{"type":"reply","id":1,"data":2,"more":true}')
  t.equal(
    errorText(undefined, { code: 'NO', message: 'no' }),
    '{"type":"error","code":"NO","message":"no"}'
  )
  t.equal(
    errorText('a', { code: 'NO', message: 'no', path: '/b' }),
    '{"type":"error","id":"a","code":"NO","message":"no","path":"/b"}'
  )
})

t.test('a message that is written is read again', async (t) => {
  const empty = {
    id: undefined,
    data: undefined,
    more: false,
    code: '',
    message: '',
    path: undefined
  }
  t.strictSame(parseEnvelope(messageText('say', 7, '[1]')), {
    ...empty,
    type: 'say',
    id: 7,
    data: [1]
  })
  t.strictSame(parseEnvelope(itemText('a', undefined)), {
    ...empty,
    type: 'reply',
    id: 'a',
    more: true
  })
  t.strictSame(parseEnvelope(errorText(1, { code: 'NO', message: 'no', path: '' })), {
    ...empty,
    type: 'error',
    id: 1,
    code: 'NO',
    message: 'no',
    path: ''
  })
  for (const type of reservedTypes) t.equal(parseEnvelope(messageText(type))?.type, type)
})

t.test('a field of the wrong type counts as missing', async (t) => {
  t.strictSame(
    parseEnvelope(
      '{"type":"say","id":{},"data":2,"more":"true","code":3,"message":[],"path":null}'
    ),
    { type: 'say', id: undefined, data: 2, more: false, code: '', message: '', path: undefined }
  )
})

t.test('a text without a type is no message', async (t) => {
  for (const text of ['', '{', '1', 'null', '"say"', '[]', '{}', '{"type":1}', '{"type":""}']) {
    t.equal(parseEnvelope(text), undefined, text)
  }
})

t.test('an id is a short text that is not empty, or an integer that is exact', async (t) => {
  for (const id of ['a', 'x'.repeat(LONGEST_ID), 0, -1, Number.MAX_SAFE_INTEGER]) {
    t.ok(isId(id), String(id))
  }
  for (const id of [
    '',
    'x'.repeat(LONGEST_ID + 1),
    0.5,
    NaN,
    Infinity,
    2 ** 53,
    null,
    undefined,
    {},
    true
  ]) {
    t.notOk(isId(id), String(id))
  }
})
