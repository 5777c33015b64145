import t from 'tap'
import {
  SocketRoute,
  baseController,
  type DecoratedRoute,
  type SocketController,
  type SocketRouteOptions
} from '../../src/index.js'
import { connect, connectAs, refusal } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

class Repository { find () { return 'secret' } }

// As `@SocketRoute` before a class, afresh for each test.
const decorate = (given: Partial<DecoratedRoute> = {}) => {
  @SocketRoute({ path: '/admin', isGranted: 'ROLE_ADMIN', ...given })
  class Admin implements SocketController {
    readonly repository: Repository
    constructor (repository: Repository) { this.repository = repository }
    onOpen () { return this.repository.find() }
  }
  return Admin
}
const repository = new Repository()

const forms: Record<string, (Admin: ReturnType<typeof decorate>) => unknown> = {
  'an instance': (Admin) => new Admin(repository),
  'an instance that a factory made': (Admin) => [repository].map((each) => new Admin(each))[0],
  'a subclass': (Admin) => class extends Admin { constructor () { super(repository) } },
  'an instance of a subclass': (Admin) => new (class extends Admin {})(repository),
  'a mixin': (Admin) => {
    const logged = (Base: typeof Admin) =>
      class extends Base { constructor () { super(repository) } onClose () {} }
    return class extends logged(Admin) {}
  },
  'a proxy of an instance': (Admin) => new Proxy(new Admin(repository), {
    get: (target, name) => Reflect.get(target, name)
  }),
  'a proxy of a class': (Admin) => new Proxy(Admin, {
    construct: (Class) => new Class(repository)
  }),
  'an object made from an instance': (Admin) => Object.create(new Admin(repository)),
  'a class that another decorator has wrapped': (Admin) => {
    const inject = (Class: typeof Admin) =>
      class extends Class { constructor () { super(repository) } }
    return inject(Admin)
  },
  'a function that is a class, as for older engines': () => {
    function Old (this: { repository: Repository }) { this.repository = repository }
    Old.prototype.onOpen = () => 'secret'
    SocketRoute({ path: '/admin', isGranted: 'ROLE_ADMIN' })(Old as never)
    return Old
  }
}
for (const [what, make] of Object.entries(forms)) {
  t.test(`${what} of a decorated class is guarded as the decorator says`, async (t) => {
    const app = await createApp(t)
    t.throws(
      () => app.socketRoute('/open', make(decorate()) as SocketController),
      { code: 'FSR_ERR_CONTROLLER_DECORATED', message: /socketController\(\)/ }
    )
    t.equal(app.socketRoutes.size, 0)
    const { path } = app.socketController(make(decorate()) as SocketController)
    t.equal(path, '/admin')
    const url = await listen(app)
    t.equal((await refusal(`${url}/admin`)).status, 401)
    t.equal((await refusal(`${url}/admin`, ['bearer', tokenOf(app)])).status, 403)
    t.equal(await (await connectAs(tokenOf(app, ['ROLE_ADMIN']), `${url}/admin`)).next(), 'secret')
  })
}

t.test('a container creates an instance once, with the instance of the scope', async (t) => {
  const app = await createApp(t)
  const Admin = decorate({ path: '/:id' })
  const made: unknown[] = []
  await app.register(async (scope) => {
    scope.socketController(Admin, {
      create: (Class, fastify) => {
        made.push(Class, fastify === scope)
        return new Class(repository)
      }
    })
  }, { prefix: '/v1' })
  t.strictSame(made, [Admin, true])
  const url = await listen(app)
  t.equal((await refusal(`${url}/v1/5`)).status, 401)
  t.equal(await (await connectAs(tokenOf(app, ['ROLE_ADMIN']), `${url}/v1/5`)).next(), 'secret')
})

t.test('a container may create a subclass or a stand-in; the class has the guard', async (t) => {
  const app = await createApp(t)
  app.socketController(decorate({ path: '/sub' }), {
    create: (Class) => new (class extends Class {})(repository)
  })
  app.socketController(decorate({ path: '/stub' }), {
    create: () => ({ repository, onOpen: () => 'stub' })
  })
  const url = await listen(app)
  for (const path of ['/sub', '/stub']) t.equal((await refusal(url + path)).status, 401)
  t.equal(await (await connectAs(tokenOf(app, ['ROLE_ADMIN']), `${url}/stub`)).next(), 'stub')
})

t.test('a class with a contract is made by a container too', async (t) => {
  @SocketRoute({ path: '/contract', isGranted: 'ROLE_USER' })
  class Contracted extends baseController()({ out: { said: { type: 'string' } } }) {
    readonly repository: Repository
    override readonly on = this.handlers({})
    constructor (repository: Repository) { super(); this.repository = repository }
    override onOpen (connection: { send (type: 'said', data: string): unknown }) {
      connection.send('said', this.repository.find())
    }
  }
  const app = await createApp(t)
  app.socketController(Contracted, { create: (Class) => new Class(repository) })
  const url = await listen(app)
  t.equal((await refusal(`${url}/contract`)).status, 401)
  t.strictSame(await (await connectAs(tokenOf(app), `${url}/contract`)).json(), {
    type: 'said',
    data: 'secret'
  })
})

t.test('a controller that a container made for another decorated class is refused', async (t) => {
  const app = await createApp(t)
  const [Admin, Other] = [decorate(), decorate({ path: '/other', isGranted: 'ROLE_ROOT' })]
  t.throws(
    () => app.socketController(Admin, { create: () => new Other(repository) }),
    {
      code: 'FSR_ERR_CONTROLLER_DECORATED',
      message: /Admin is decorated.*socketController\(Admin\)/
    }
  )
})

t.test('a class whose constructor returns a decorated instance is rejected', async (t) => {
  @SocketRoute({ path: '/admin', isGranted: 'ROLE_ADMIN' })
  class Admin { onOpen (): void {} }
  class Disguise {
    constructor () { return new Admin() }
    onOpen (): void {}
  }
  const app = await createApp(t)
  t.throws(
    () => app.socketRoute('/open', Disguise),
    { code: 'FSR_ERR_CONTROLLER_INVALID', message: /returns an object that is not an instance/ }
  )
  class Watched {
    constructor () { return new Proxy(this, {}) }
    onOpen (): void {}
  }
  t.doesNotThrow(() => app.socketRoute('/watched', Watched))
})

t.test('arguments beside a decorated class that would be ignored are rejected', async (t) => {
  const app = await createApp(t)
  const Admin = decorate()
  const call = app.socketController.bind(app) as unknown as (...all: unknown[]) => void
  const create = () => new Admin(repository)
  for (const rest of [
    ['ROLE_ROOT'],
    [{ isGranted: 'ROLE_ROOT' }],
    [{ create: 5 }],
    [{ create: null }],
    [['ROLE_ROOT']],
    [null],
    [{ create }, 'ROLE_ROOT']
  ]) {
    t.throws(() => call(Admin, ...rest), { code: 'FSR_ERR_OPTION_INVALID' }, JSON.stringify(rest))
  }
  t.throws(
    () => call(new Admin(repository), { create }),
    { code: 'FSR_ERR_OPTION_INVALID', message: /was given an instance/ }
  )
  for (const made of [undefined, null, 5, 'admin', {}, () => {}]) {
    t.throws(
      () => call(Admin, { create: () => made }),
      { code: 'FSR_ERR_CONTROLLER_INVALID' },
      String(made)
    )
  }
  t.throws(
    () => call(Admin, { create: async () => new Admin(repository) }),
    { code: 'FSR_ERR_CONTROLLER_INVALID', message: /is a promise: wait for it/ }
  )
  t.throws(
    () => call(Promise.resolve(new Admin(repository))),
    { code: 'FSR_ERR_CONTROLLER_UNDECORATED' }
  )
  t.equal(app.socketRoutes.size, 0)
  app.socketController(Admin, { create: undefined })
})

t.test('@SocketRoute stands once, before a class, with one argument', async (t) => {
  const dangerous = { code: 'FSR_ERR_DECORATOR_INVALID' }
  t.throws(
    () => { SocketRoute({ path: '/open' })(decorate()) },
    { ...dangerous, message: /twice before Admin/ }
  )
  t.throws(
    () => (SocketRoute as unknown as (...all: unknown[]) => void)({ path: '/admin' }, 'ROLE_ADMIN'),
    { ...dangerous, message: /second argument/ }
  )
  t.throws(
    () => SocketRoute('/d' as never),
    { ...dangerous, message: /^@SocketRoute has a string .*with one object: @SocketRoute\(\{ path/ }
  )
  const before = SocketRoute({ path: '/admin' }) as (...given: unknown[]) => void
  class Plain { onOpen () {} }
  t.throws(() => { before(Plain.prototype.onOpen, { kind: 'method', name: 'onOpen' }) }, dangerous)
  t.throws(() => { before(Plain, { kind: 'method', name: 'onOpen' }) }, dangerous)
  t.throws(() => { before(undefined, { kind: 'field', name: 'onOpen' }) }, dangerous)
  t.throws(
    () => { before(Plain.prototype, 'onOpen', {}) },
    dangerous,
    'as experimentalDecorators emit it'
  )
  t.throws(() => { before(Plain, 'create', {}) }, dangerous, 'before a static method')
  t.throws(() => { before(() => {}) }, dangerous)
  before(Plain)
  const app = await createApp(t)
  t.equal(app.socketController(Plain).path, '/admin', 'as experimentalDecorators emit it')
  class Heir extends Plain {}
  SocketRoute({ path: '/heir' })(Heir)
  t.equal(app.socketController(Heir).path, '/heir', 'a subclass may be decorated itself')
})

const statics: Record<string, unknown> = {
  isGranted: class { static isGranted = 'ROLE_ADMIN'; onOpen () {} },
  'isGranted (a method)': class { static isGranted () { return false } onOpen () {} },
  'isGranted (a getter)': class { static get isGranted () { return 'ROLE_ADMIN' } onOpen () {} },
  'isGranted (inherited)': class extends (class { static isGranted = 'ROLE_ADMIN' }) {
    onOpen () {}
  },
  roles: class { static roles = ['ROLE_ADMIN']; onOpen () {} },
  path: class { static path = '/admin'; onOpen () {} },
  name: class { static name = 'admin'; onOpen () {} },
  schema: class { static schema = {}; onOpen () {} },
  preValidation: class { static preValidation () {} onOpen () {} },
  onRequest: class { static onRequest () {} onOpen () {} },
  onMessage: class { static onMessage () {} onOpen () {} },
  origins: class { static origins = []; onOpen () {} },
  rate: class { static rate = { messages: 5 }; onOpen () {} },
  maxPayload: class { static maxPayload = 10; onOpen () {} },
  outbox: class { static outbox = { limit: 10 }; onOpen () {} }
}
for (const [what, given] of Object.entries(statics)) {
  t.test(`a class with a static ${what} fails, as it would be ignored`, async (t) => {
    const app = await createApp(t)
    const Class = given as new () => SocketController
    const message = new RegExp(
      `has a static ${what.split(' ')[0]!}, which belongs in the third argument`
    )
    t.throws(() => app.socketRoute('/', Class), { code: 'FSR_ERR_CONTROLLER_INVALID', message })
    t.throws(
      () => app.socketRoute('/', new Class()),
      { code: 'FSR_ERR_CONTROLLER_INVALID', message }
    )
    SocketRoute({ path: '/' })(Class)
    t.throws(() => app.socketController(Class), { code: 'FSR_ERR_CONTROLLER_INVALID', message })
  })
}

// Names that a controller has for its own purposes, or for its contract.
const unreserved = ['name', 'schema', 'data', 'config', 'logLevel'] as const
for (const [name, value] of Object.entries({
  isGranted: undefined,
  roles: ['ROLE_ADMIN'],
  preValidation () {},
  preHandler: [],
  tokenFrom: ['header'],
  requireExpiry: true,
  roleHierarchy: {},
  origins: 'https://app.example',
  onRequest: [() => {}],
  preMessage () {},
  preSend: [],
  protocols: ['chat.v1'],
  subject: () => 'alice',
  jwt: { namespace: 'access' },
  maxPayload: 10,
  concurrency: 1,
  heartbeat: { interval: 5_000 },
  connections: { perIp: 5 },
  rate: { messages: 5 },
  outbox: { overflow: 'drop-oldest' },
  roomsPerConnection: 5,
  streamsPerConnection: 5,
  invalidMessages: 'close',
  refusals: { max: 5 },
  closeTimeout: 5_000,
  constraints: { host: 'app.example' }
} satisfies Record<Exclude<keyof SocketRouteOptions, typeof unreserved[number]>, unknown>)) {
  t.test(`a controller with ${name} fails, as it would be ignored`, async (t) => {
    const app = await createApp(t)
    const inherited = class { onOpen () {} }
    Object.assign(inherited.prototype, { [name]: value })
    for (const controller of [{ onOpen () {}, [name]: value }, inherited]) {
      t.throws(
        () => app.socketRoute('/', controller),
        { code: 'FSR_ERR_CONTROLLER_INVALID', message: new RegExp(`has ${name}, which`) }
      )
    }
  })
}

for (const [name, value] of Object.entries({
  handshakeTimeout: 5_000,
  maxFragments: 5,
  outboxBudget: 65_536,
  drain: { deadline: 5_000 },
  tickets: { ttl: 5_000 }
})) {
  t.test(`a controller with ${name} fails, as an option of the plugin`, async (t) => {
    const app = await createApp(t)
    const message = new RegExp(`has (a static )?${name}, which is an option of the plugin`)
    for (const controller of [
      { onOpen () {}, [name]: value },
      Object.assign(class { onOpen () {} }, { [name]: value })
    ]) t.throws(() => app.socketRoute('/', controller), { message })
  })
}

t.test('an instance as the second argument is told that it is the first', async (t) => {
  class Plain { onOpen () {} }
  SocketRoute({ path: '/' })(Plain)
  const app = await createApp(t)
  t.throws(
    () => app.socketController(Plain, new Plain() as never),
    {
      code: 'FSR_ERR_OPTION_INVALID',
      message: /^The second argument of socketController\(\) is a controller: give it as the first/
    }
  )
})

t.test('the limits of a decorated class and of its fields belong in the decorator', async (t) => {
  const app = await createApp(t)
  class Limited { rate = { messages: 5 }; onMessage () {} }
  SocketRoute({ path: '/' })(Limited)
  for (const given of [Limited, new Limited()]) {
    t.throws(
      () => app.socketController(given),
      { code: 'FSR_ERR_CONTROLLER_INVALID', message: /has rate, which belongs .* @SocketRoute/ }
    )
  }
})

t.test('a controller may have services and state of its own, under any other name', async (t) => {
  class Roles { of () { return [] } }
  const app = await createApp(t)
  class Stateful {
    static readonly limit = 5
    roles = new Roles()
    origins = new Map()
    connections = 5
    rate = 0.5
    outbox = []
    closeTimeout = new Map()
    refusals = new Map([['max', 5]])
    invalidMessages = 0
    get heartbeat (): never { throw new Error('is not set up yet') }
    onOpen () { return 'in' }
  }
  app.socketRoute('/', new Stateful())
  app.socketRoute('/null', Object.assign(Object.create(null), { onOpen: () => 'in' }))
  const url = await listen(app)
  t.equal(await (await connect(url)).next(), 'in')
  t.equal(await (await connect(`${url}/null`)).next(), 'in')
})
