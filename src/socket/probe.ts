import { createRequire } from 'node:module'
import { nextTick } from 'node:process'
import { Duplex } from 'node:stream'
import { NOTHING, type Arguments, type LazySocket } from './lazy-socket.js'
import { CLOSED, CLOSING, OPEN } from './socket-events.js'

type LazySocketClass = new (...given: Arguments) => LazySocket

// More ticks than streams in memory need to close.
const MOST_TICKS = 64

// Frames of a client, with a mask of zero.
const CLIENT_PING = Buffer.from([0x89, 0x80, 0, 0, 0, 0])
const CLIENT_FRAGMENT = Buffer.from([0x01, 0x80, 0, 0, 0, 0])
const CLIENT_LAST_FRAGMENT = Buffer.from([0x80, 0x80, 0, 0, 0, 0])
const CLIENT_CLOSE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
const SERVER_CLOSE = '880203e8'

// The events of a TCP socket that ws and LazySocket listen to.
const EVENTS = ['data', 'close', 'end', 'error']

// A connection in memory, which records writes and timeouts.
class Probe extends Duplex {
  readonly written: Buffer[] = []
  readonly timeouts: number[] = []

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.written.push(chunk)
    callback()
  }

  setTimeout (milliseconds: number): void {
    this.timeouts.push(milliseconds)
  }

  setNoDelay (): void {}
}

/** Returns the version of the `ws` that the plugin loads, for a line of the log. */
export function versionOfWs (
  require: (id: string) => unknown = createRequire(import.meta.url)
): string {
  try {
    return (require('ws/package.json') as { readonly version: string }).version
  } catch {
    // Older versions do not export it, and newer ones need not.
    return 'of an unknown version'
  }
}

/**
 * Checks that the installed `ws` behaves as direct reads expect: opens, reads, closes and
 * disconnects sockets in memory.
 *
 * @returns the first part of `ws` that differs, or undefined if none does.
 */
export async function findUnsupported (Socket: LazySocketClass): Promise<undefined | string> {
  const probes: Probe[] = []
  let part = 'WebSocket.setSocket'
  const open = (settings: Arguments[2]): Opened => {
    const probe = new Probe()
    probes.push(probe)
    const socket = new Socket(null, undefined, settings)
    socket.setSocket(probe, NOTHING)
    const expect: Opened['expect'] = (name, actual, expected) => {
      part = name
      if (actual !== expected) throw new TypeError(name)
    }
    return { socket, probe, expect }
  }
  try {
    readAll(open({ maxPayload: 100, autoPong: true, maxPendingAutoPongs: 2 }))
    terminate(open({}))
    cut(open({}))
    await close(open({}))
  } catch {
    // A ws that differs gets no further events.
    for (const probe of probes) probe.removeAllListeners()
    return part
  } finally {
    for (const probe of probes) probe.destroy()
  }
}

interface Opened {
  readonly socket: LazySocket
  readonly probe: Probe
  /** Checks a part of `ws`. @throws if it is not as expected. */
  expect (part: string, actual: unknown, expected: unknown): void
}

function readAll ({ socket, probe, expect }: Opened): void {
  expect('WebSocket._readyState', socket._readyState, OPEN)
  expect('WebSocket.readyState', socket.readyState, OPEN)
  expect('WebSocket._closeFrameReceived', socket._closeFrameReceived, false)
  expect('WebSocket._errorEmitted', socket._errorEmitted, false)
  const own = EVENTS.map((event) => probe.listeners(event)[0])
  expect('WebSocket.setSocket', own.includes(undefined), false)
  const { _receiver: receiver, _sender: sender } = socket
  expect('WebSocket._sender', typeof sender, 'object')
  expect('WebSocket._receiver', typeof receiver?.write, 'function')
  expect('Receiver._fragmented', receiver!._fragmented, 0)
  expect('Receiver._errored', receiver!._errored, false)
  expect('Receiver._writableState', receiver!._writableState.length, 0)
  receiver!.write(CLIENT_PING)
  expect('WebSocket._pendingAutoPongs', socket._pendingAutoPongs, 1)
  receiver!.write(CLIENT_FRAGMENT)
  // Half a frame.
  receiver!.write(CLIENT_LAST_FRAGMENT.subarray(0, 1))
  expect('Receiver._fragmented', receiver!._fragmented, 1)
  expect('Receiver._writableState', receiver!._writableState.length, 0)
  receiver!.write(Buffer.concat([CLIENT_LAST_FRAGMENT.subarray(1), CLIENT_CLOSE]))
  expect('WebSocket._closeFrameReceived', socket._closeFrameReceived, true)
  // The listener of LazySocket, and behind it that of ws, unless it was removed.
  for (const [index, event] of EVENTS.entries()) {
    expect('WebSocket.setSocket', probe.listenerCount(event), event === 'data' ? 1 : 2)
    expect('WebSocket.setSocket', probe.listeners(event)[0], own[index])
  }
}

// The server terminates a connection for which ws has no receiver and no sender.
function terminate ({ socket, probe, expect }: Opened): void {
  socket.terminate()
  expect('WebSocket._socket', probe.destroyed, true)
  expect('WebSocket.terminate', socket.isComplete, false)
}

// The connection is lost before ws has a receiver and a sender for the socket.
function cut ({ socket, probe, expect }: Opened): void {
  const seen: unknown[] = []
  socket.on('close', (code, reason) => {
    seen.push(code, reason.length, socket.readyState, socket.isComplete)
  })
  socket.passOn('close')
  probe.removeAllListeners()
  expect('WebSocket.emitClose', seen.join(), [1006, 0, CLOSED, false].join())
  expect('WebSocket._bufferedAmount', socket.bufferedAmount, 0)
}

// The server closes a socket for which ws has no receiver and no sender, and the client answers.
async function close ({ socket, probe, expect }: Opened): Promise<void> {
  socket.pause()
  expect('WebSocket.isPaused', socket.isPaused, true)
  socket.resume()
  expect('WebSocket._paused', socket._paused || socket.isPaused, false)
  const codes: number[] = []
  socket.on('close', (code) => { codes.push(code) })
  socket.close(1000)
  expect('WebSocket.close', Buffer.concat(probe.written).toString('hex'), SERVER_CLOSE)
  expect('WebSocket._readyState', socket._readyState, CLOSING)
  expect('WebSocket.setSocket', probe.timeouts.some((milliseconds) => milliseconds !== 0), false)
  socket.read(CLIENT_CLOSE, false, false)
  probe.push(null)
  for (let ticks = 0; codes.length === 0 && ticks < MOST_TICKS; ticks++) {
    await new Promise<void>((resolve) => { nextTick(resolve) })
  }
  expect('WebSocket.close', codes[0], 1000)
}
