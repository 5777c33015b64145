// The AsyncAPI document of the app in console-app.ts, written by hand.

type Schema = Record<string, unknown>

const id = { oneOf: [{ type: 'integer' }, { type: 'string', minLength: 1, maxLength: 64 }] }
const object = (properties: Schema, more: Schema = {}): Schema => ({ type: 'object', required: Object.keys(properties), properties, additionalProperties: false, ...more })
const text = (maxLength: number): Schema => ({ type: 'string', minLength: 1, maxLength })

/** What `<img>` and a script would do is said by `window.hacked`. */
export const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'

function message (type: string, data?: Schema, more: Schema = {}): Schema {
  return { name: type, title: type, payload: { type: 'object', required: ['type'], properties: { type: { const: type }, id, ...(data && { data }) } }, ...(data && { 'x-data': data }), ...more }
}

function answer (data?: Schema): Schema {
  return { name: 'reply', payload: { type: 'object', properties: { type: { const: 'reply' }, id, ...(data && { data }) } }, ...(data && { 'x-data': data }) }
}

const closeCodes = [
  { code: 1000, reason: '', reconnect: false },
  { code: 1009, reason: 'message too big', reconnect: false },
  { code: 1012, reason: 'service restart', reconnect: 'jitter' },
  { code: 4401, reason: 'token expired', reconnect: true },
  { code: 4403, reason: 'access revoked', reconnect: false }
]

const route = (name: string, path: string, more: Schema = {}): Schema => ({
  name,
  path,
  isRaw: false,
  roles: [],
  hasPredicate: false,
  tokenFrom: ['header', 'protocol', 'cookie'],
  protocols: [],
  limits: { maxPayload: 65_536, rate: { messages: 20, per: 1_000 }, connections: { perUser: 5 } },
  closeCodes,
  refusals: [{ status: 401, code: 'FSR_ERR_TOKEN_MISSING' }, { status: 403, code: 'FSR_ERR_NOT_GRANTED' }],
  ...more
})

export const consoleDocument = {
  asyncapi: '3.0.0',
  info: { title: 'Chat service', version: '1.4.0', description: 'Rooms, presence and news for the web shop.' },
  channels: {
    chat: {
      address: '/chat/{room}',
      title: 'chat',
      description: 'A chat room. What somebody says reaches everybody in it.',
      parameters: { room: { description: 'The room, which need not exist before.', default: 'lobby' } },
      bindings: { ws: { method: 'GET', query: { type: 'object', properties: { lang: { type: 'string', enum: ['en', 'de'], description: 'The language of the welcome.' } } } } },
      'x-socket-route': route('chat', '/chat/:room', { roles: [['ROLE_USER', 'ROLE_ADMIN']] }),
      messages: {
        'in.say': message('say', { $ref: '#/components/schemas/Saying' }, { summary: 'Says something in the room', description: 'Everybody in the room gets it as `message`, also whoever has said it.' }),
        'in.join': message('join', object({ room: text(32) }), { summary: 'Changes the room' }),
        'in.join.reply': answer(object({ members: { type: 'integer' } })),
        'in.ticks': message('ticks', object({ count: { type: 'integer', minimum: 1, maximum: 10_000, default: 3 } }), { summary: 'Counts, one item after the other' }),
        'in.ticks.item': answer(object({ n: { type: 'integer' } })),
        'in.confirm': message('confirm', undefined, { summary: 'Has the server ask whether you are sure' }),
        'in.confirm.reply': answer({ type: 'boolean' }),
        'in.fail': message('fail', undefined, { summary: 'Fails' }),
        'in.leave': message('leave', object({ code: { type: 'integer', default: 4401 }, reason: { type: 'string', default: 'token expired' } }), { summary: 'Has the server close the connection' }),
        'in.hostile': message('hostile', undefined, { summary: HOSTILE, description: HOSTILE }),
        'in.ban': message('ban', object({ name: text(64), until: { type: 'string', format: 'date-time' } }), { summary: 'Throws somebody out' }),
        'out.message': message('message', object({ from: { type: 'string' }, text: { type: 'string' } }), { summary: 'Somebody has said something' }),
        'out.ask': message('ask', object({ question: { type: 'string' } }), { summary: 'Asks for a yes or a no' }),
        'out.ask.reply': answer({ type: 'boolean', default: true })
      }
    },
    echo: {
      address: '/echo',
      title: 'echo',
      description: 'Sends back what comes.',
      'x-socket-route': route('echo', '/echo', { isRaw: true })
    },
    admin: {
      address: '/admin',
      title: 'admin',
      'x-socket-route': route('admin', '/admin', { isRaw: true, roles: [['ROLE_ADMIN']], hasPredicate: true })
    },
    hostile: {
      address: `/hostile/${HOSTILE}`,
      title: HOSTILE,
      description: HOSTILE,
      'x-socket-route': route(HOSTILE, '/hostile', { isRaw: true, roles: [[HOSTILE]] })
    }
  },
  operations: {
    'receive.chat.ban': {
      action: 'receive',
      channel: { $ref: '#/channels/chat' },
      messages: [{ $ref: '#/channels/chat/messages/in.ban' }],
      'x-granted': ['ROLE_MODERATOR']
    }
  },
  components: {
    schemas: {
      Saying: object({
        text: { ...text(2_000), description: 'What is said, as plain text.', examples: ['Hello, is anybody here?'] },
        mood: { enum: ['calm', 'merry', 'cross'] },
        mentions: { type: 'array', items: { $ref: '#/components/schemas/Member' }, maxItems: 10, description: 'Who is to be told.' }
      }, { required: ['text'], description: 'Something to say.' }),
      Member: object({ name: text(64), id: { type: 'integer', minimum: 1 } })
    }
  }
}
