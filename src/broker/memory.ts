import type { Broker, Deliver, Publish } from './broker.js'

/** The broker of an app that runs in one process: delivery follows at once. */
export class MemoryBroker implements Broker {
  connect (_name: string, deliver: Deliver): Publish {
    return deliver
  }
}
