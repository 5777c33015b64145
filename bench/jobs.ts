import type { TargetName } from './targets.js'

/** So many connections each have so many messages under way, and get each back. */
export interface EchoWork {
  readonly kind: 'echo'
  readonly path: string
  readonly connections: number
  readonly inFlight: number
  /** Bytes of a message. */
  readonly size: number
  /** The message is an object of JSON, which the server parses; it answers another. */
  readonly isJson?: boolean
  /**
   * That object is a message of a contract: it has a type, an id and data, which is validated where
   * the target can.
   */
  readonly isContract?: boolean
}

/** Messages that go to all other members of a room. */
export interface RoomWork {
  readonly kind: 'room'
  readonly path: '/all' | '/room'
  /** How many get each message: all members but its sender. */
  readonly receivers: number
  /**
   * Messages under way in the whole room: when every copy of all of them has come, the next are
   * sent.
   */
  readonly inFlight: number
  /** Whether the members take turns, or one of them sends everything. */
  readonly senders: 'all' | 'one'
  readonly size: number
  readonly isCompressed?: boolean
}

/** Connections are opened and reset. */
export interface HandshakeWork {
  readonly kind: 'handshakes'
  readonly path: string
  /** Whether every target verifies a token and looks for a role. */
  readonly isGuarded: boolean
}

/** Connections say nothing; the server's memory is looked at. */
export interface IdleWork {
  readonly kind: 'idle'
  readonly path: string
  readonly connections: number
}

/** Others on the same server have their messages echoed while a room is busy. */
export interface BystanderWork {
  readonly kind: 'bystanders'
  readonly room: RoomWork
}

export type Work = EchoWork | RoomWork | HandshakeWork | IdleWork | BystanderWork

/** A row of the table. */
export interface Job {
  readonly group: string
  readonly name: string
  readonly work: Work
  readonly unit: string
  /** Which figures are good. */
  readonly better: 'higher' | 'lower'
  readonly targets: readonly TargetName[]
  /** The required and the desired ratio of the plugin to `ws`. */
  readonly must?: number
  readonly aim?: number
  /** Over TLS. */
  readonly isSecure?: true
}

const CONNECTIONS = 64
const MEMBERS_SIZE = 64
const main: readonly TargetName[] = [
  'ws',
  'fastify-websocket',
  'plugin',
  'plugin-public',
  'uwebsockets'
]
const all: readonly TargetName[] = [
  'ws',
  'fastify-websocket',
  'socket.io',
  'nestjs',
  'crossws',
  'plugin',
  'plugin-public',
  'uwebsockets'
]

type Goal = Pick<Job, 'must' | 'aim'>
const goal = (must: number, aim: number): Goal => ({ must, aim })
const bytes = (size: number): string => size < 1024 ? `${size} B` : `${size / 1024} KiB`
const count = (number: number): string => number.toLocaleString('en')

function echo (inFlight: number, size: number, targets: readonly TargetName[], goal: Goal): Job {
  return {
    group: 'echo',
    name: `echo, ${inFlight} in flight, ${bytes(size)}`,
    work: { kind: 'echo', path: '/echo', connections: CONNECTIONS, inFlight, size },
    unit: 'messages/s',
    better: 'higher',
    targets,
    ...goal
  }
}

const toAll = (receivers: number): RoomWork => ({
  kind: 'room',
  path: '/all',
  receivers,
  inFlight: 1,
  senders: 'one',
  size: MEMBERS_SIZE
})

function fanOut (receivers: number, targets: readonly TargetName[], goal: Goal): Job {
  return {
    group: 'fan-out',
    name: `one message to ${count(receivers)}`,
    work: toAll(receivers),
    unit: 'deliveries/s',
    better: 'higher',
    targets,
    ...goal
  }
}

function busyRoom (
  members: number,
  inFlight: number,
  targets: readonly TargetName[],
  goal: Goal
): Job {
  return {
    group: 'room',
    name: `busy room of ${count(members)}, ${inFlight} in flight`,
    work: {
      kind: 'room',
      path: '/room',
      receivers: members - 1,
      inFlight,
      senders: 'all',
      size: MEMBERS_SIZE
    },
    unit: 'deliveries/s',
    better: 'higher',
    targets,
    ...goal
  }
}

function handshakes (
  name: string,
  path: string,
  isGuarded: boolean,
  targets: readonly TargetName[],
  goal: Goal
): Job {
  return {
    group: 'handshakes',
    name,
    work: { kind: 'handshakes', path, isGuarded },
    unit: 'handshakes/s',
    better: 'higher',
    targets,
    ...goal
  }
}

function memory (name: string, path: string, targets: readonly TargetName[], goal: Goal = {}): Job {
  return {
    group: 'memory',
    name,
    work: { kind: 'idle', path, connections: 5_000 },
    unit: 'bytes of heap',
    better: 'lower',
    targets,
    ...goal
  }
}

function growth (receivers: number): Job {
  return {
    group: 'growth',
    name: `growth: ${count(receivers)} receivers`,
    work: toAll(receivers),
    unit: 'deliveries/s',
    better: 'higher',
    targets: main
  }
}

/** Every job, in the order in which they run. */
export const jobs: readonly Job[] = [
  echo(1, 16, all, goal(1.1, 1.3)),
  echo(1, 1024, main, goal(1.1, 1.3)),
  echo(16, 16, all, goal(8, 11)),
  echo(16, 64, main, goal(8, 11)),
  echo(64, 16, main, goal(18, 26)),
  echo(16, 1024, main, goal(6, 8)),
  echo(1, 16_384, main, goal(1.5, 2.5)),
  echo(16, 16_384, main, goal(1.5, 2.5)),

  fanOut(100, main, goal(1.15, 1.3)),
  fanOut(1_000, all, goal(1.15, 1.3)),
  fanOut(5_000, main, goal(1.15, 1.3)),
  fanOut(10_000, main, goal(1.15, 1.3)),

  busyRoom(100, 4, all, goal(2, 3)),
  busyRoom(100, 16, all, goal(7, 10)),
  busyRoom(100, 100, all, goal(30, 38)),
  busyRoom(1_000, 100, main, goal(40, 60)),

  {
    group: 'compression',
    name: 'compressed broadcast, 1 KiB to 1,000',
    work: { ...toAll(1_000), size: 1_024, isCompressed: true },
    unit: 'deliveries/s',
    better: 'higher',
    targets: main,
    ...goal(7, 9)
  },
  {
    group: 'bystanders',
    name: 'worst latency of bystanders, fan-out to 5,000',
    work: { kind: 'bystanders', room: toAll(5_000) },
    unit: 'ms',
    better: 'lower',
    targets: main,
    ...goal(1 / 3, 1 / 5)
  },

  handshakes(
    'handshakes',
    '/open',
    false,
    ['ws', 'fastify-websocket', 'socket.io', 'crossws', 'plugin', 'plugin-public', 'uwebsockets'],
    goal(0.95, 1)
  ),
  handshakes('handshakes with JWT and role', '/guarded', true, main, goal(0.85, 1)),

  memory('memory of an idle connection', '/guarded', all, goal(1, 0.8)),
  memory('memory of an idle connection, in three rooms', '/rooms', ['plugin', 'plugin-public']),

  ...[1_000, 5_000, 10_000, 20_000].map(growth),

  {
    ...echo(1, 16, main, {}),
    group: 'json',
    name: 'JSON in, JSON out, 1 in flight',
    work: {
      kind: 'echo',
      path: '/json',
      connections: CONNECTIONS,
      inFlight: 1,
      size: 0,
      isJson: true
    }
  },
  {
    ...echo(1, 16, main, {}),
    group: 'json',
    name: 'JSON in, JSON out, 16 in flight',
    work: {
      kind: 'echo',
      path: '/json',
      connections: CONNECTIONS,
      inFlight: 16,
      size: 0,
      isJson: true
    }
  },

  ...[1, 16].map((inFlight): Job => ({
    ...echo(
      inFlight,
      16,
      ['ws', 'fastify-websocket', 'plugin', 'plugin-stringify', 'plugin-public'],
      {}
    ),
    group: 'contract',
    name: `message of a contract, ${inFlight} in flight`,
    work: {
      kind: 'echo',
      path: '/contract',
      connections: CONNECTIONS,
      inFlight,
      size: 0,
      isContract: true
    }
  })),

  ...[1, 16].map((inFlight): Job => ({
    ...echo(inFlight, 16, main, {}),
    group: 'tls',
    name: `echo over TLS, ${inFlight} in flight, 16 B`,
    isSecure: true
  })),

  // The ceiling of the generator, with a server that does nothing.
  ...[1, 16, 64].map((inFlight): Job => ({
    ...echo(inFlight, 16, ['tcp'], {}),
    group: 'generator',
    name: `generator: echo, ${inFlight} in flight, 16 B`
  })),
  { ...fanOut(1_000, ['tcp'], {}), group: 'generator', name: 'generator: one message to 1,000' },
  {
    ...busyRoom(100, 100, ['tcp'], {}),
    group: 'generator',
    name: 'generator: busy room of 100, 100 in flight'
  }
]
