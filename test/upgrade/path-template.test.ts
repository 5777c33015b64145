import t from 'tap'
import {
  fillPath,
  joinPath,
  slashVariants,
  patternOf,
  templateOf
} from '../../src/upgrade/path-template.js'

t.test('paths are joined as Fastify does', async (t) => {
  t.equal(joinPath('', '/a'), '/a')
  t.equal(joinPath('/v1', '/a'), '/v1/a')
  t.equal(joinPath('/v1/', '/a'), '/v1/a')
  t.equal(joinPath('/v1', ''), '/v1')
})

t.test('a path is registered with and without a slash at its end', async (t) => {
  t.strictSame(slashVariants('/a', ''), ['/a', '/a/'])
  t.strictSame(slashVariants('/a//', ''), ['/a', '/a/'])
  t.strictSame(slashVariants('/', ''), ['/'])
  t.strictSame(slashVariants('/', '/v1'), ['', '/'])
  t.strictSame(slashVariants('', '/v1'), ['', '/'])
  t.strictSame(slashVariants('/', '/'), ['/'])
  t.strictSame(slashVariants('/a/*', ''), ['/a/*'])
  t.strictSame(slashVariants('/a/:b?', ''), ['/a/:b', '/a', '/a/', '/a/:b/'])
  t.strictSame(slashVariants('/:b?', ''), ['/:b', '/', '/:b/'])
  t.strictSame(slashVariants('/:b?', '/'), ['/:b', '/', '/:b/'])
  t.strictSame(slashVariants('/:b?', '/v1'), ['/:b', '', '/', '/:b/'])
  t.strictSame(slashVariants('/a/:b(^\\d+$)?', ''), [
    '/a/:b(^\\d+$)',
    '/a',
    '/a/',
    '/a/:b(^\\d+$)/'
  ])
})

t.test('parameters are filled in and encoded', async (t) => {
  t.equal(fillPath('/a/:b/c', { b: 'x/y z' }), '/a/x%2Fy%20z/c')
  t.equal(fillPath('/a/:b(^\\d+$)/:c', { b: 5, c: 'ü' }), '/a/5/%C3%BC')
  t.equal(fillPath('/a/:b((x)(y))/c', { b: 'xy' }), '/a/xy/c')
  t.equal(fillPath('/a/:lat-:lng', { lat: 1, lng: 2 }), '/a/1-2')
  t.equal(fillPath('/a/:b?', {}), '/a')
  t.equal(fillPath('/a/:b?', { b: 'c' }), '/a/c')
  t.equal(fillPath('/:b?', {}), '/')
  t.equal(fillPath('/files/*', { '*': 'x y/z' }), '/files/x%20y/z')
  t.equal(fillPath('/a::b/:größe', { größe: 5 }), '/a:b/5')
  t.equal(fillPath('/a/:b', { b: '...' }), '/a/...')
  t.equal(fillPath('/a/:b', { b: '%2e%2e' }), '/a/%252e%252e')
  t.equal(fillPath('/a/:b.:c', { b: 'x', c: '.' }), '/a/x..')
  for (const [path, params] of [
    ['/a/:b', { b: '..' }],
    ['/a/:b', { b: '.' }],
    ['/a/:b/c', { b: '..' }],
    ['/:b', { b: '..' }],
    ['/a/:b?', { b: '..' }],
    ['/a/*', { '*': 'x/../y' }],
    ['/a/*', { '*': '.' }],
    ['/a/:b.', { b: '.' }],
    ['/a/:b', { b: '\ud800' }],
    ['/a/*', { '*': 'x/\udfff' }],
    ['/a/:constructor', {}],
    ['/a/:b', { b: {} }],
    ['/a/:b', { b: NaN }]
  ] as const) {
    t.throws(() => fillPath(path, params as never), { code: 'FSR_ERR_URL_PARAM_INVALID' }, path)
  }
  for (const [path, params] of [
    ['/a/:b', { b: null as never }],
    ['/a/:b', {}],
    ['/a/:b', { b: '' }],
    ['/a/*', {}]
  ] as const) {
    t.throws(() => fillPath(path, params), { code: 'FSR_ERR_URL_PARAM_MISSING' })
  }
})

t.test('the pattern of a path matches what the route does', async (t) => {
  const cases: Array<[path: string, matched: string[], others: string[]]> = [
    ['/', ['/'], ['/a']],
    ['/chat', ['/chat', '/chat/', '/CHAT'], ['/chats', '/chat/a']],
    ['/chat/:room', ['/chat/a', '/chat/a/'], ['/chat', '/chat/a/b']],
    ['/chat/:room/:page?', ['/chat/a', '/chat/a/', '/chat/a/2'], ['/chat', '/chat/a/2/3']],
    ['/:a-:b', ['/x-y'], ['/x/y']],
    ['/:id(^\\d+$)/x', ['/5/x'], ['/5']],
    ['/files/*', ['/files/', '/files/a/b'], ['/file']],
    ['/a.b+c', ['/a.b+c'], ['/aXb+c']],
    ['/a::b', ['/a:b'], ['/c/d']],
    ['/:größe/x', ['/5/x'], ['/5']]
  ]
  for (const [path, matched, others] of cases) {
    for (const each of matched) t.ok(patternOf(path).test(each), `${path} ${each}`)
    for (const each of others) t.notOk(patternOf(path).test(each), `${path} not ${each}`)
  }
  const start = process.cpuUsage()
  patternOf('/:a-:b-:c').test(`/${'-'.repeat(16_000)}/x/y`)
  t.ok(process.cpuUsage(start).user / 1_000 < 500, 'a path cannot keep it busy')
})

t.test('a path is a template for documents', async (t) => {
  t.strictSame(templateOf('/a::b/:größe/:id(^\\d+$)?'), {
    address: '/a:b/{größe}/{id}',
    params: [
      { key: 'größe', name: 'größe', isOptional: false },
      { key: 'id', name: 'id', isOptional: true }
    ]
  })
  t.strictSame(templateOf('/files/*'), {
    address: '/files/{wildcard}',
    params: [{ key: 'wildcard', name: '*', isOptional: false }]
  })
})
