import type { Client } from './client.js'
import type { Frame } from './frame.js'

/** The envelope of a target's messages, and what it sends before the first. */
export interface Dialect {
  /** The path to connect to, for the job's path. */
  path (path: string): string
  /** The text of a frame that carries a message, in both directions. */
  wrap (path: string, message: string): string
  /** The steps after the handshake. */
  open (client: Client): Promise<void>
}

const nextText = async (client: Client): Promise<string> => await new Promise((resolve) => {
  client.onFrame = ({ payload }: Frame) => {
    client.onFrame = () => {}
    resolve(payload.toString())
  }
})

const plain: Dialect = {
  path: (path) => path,
  wrap: (_path, message) => message,
  async open () {}
}

const nestjs: Dialect = {
  path: () => '/',
  wrap: (path, message) => `{"event":"${path.slice(1)}","data":"${message}"}`,
  async open () {}
}

// Version 4 of Engine.IO with version 5 of Socket.IO's protocol on top: the server opens, the
// client connects to the main namespace.
const socketIo: Dialect = {
  path: () => '/socket.io/?EIO=4&transport=websocket',
  wrap: (path, message) => `42["${path.slice(1)}","${message}"]`,
  async open (client) {
    if (!(await nextText(client)).startsWith('0{')) throw new Error('Engine.IO did not open')
    client.send('40')
    if (!(await nextText(client)).startsWith('40{')) throw new Error('Socket.IO did not connect')
  }
}

export const dialects = { plain, nestjs, socketIo }
export type DialectName = keyof typeof dialects
