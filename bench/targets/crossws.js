// crossws with its adapter for Node.
import adapter from 'crossws/adapters/node'
import { serve } from './http-server.js'

const { handleUpgrade } = adapter({
  hooks: {
    open (peer) {
      const path = new URL(peer.request.url).pathname
      if (path === '/all' || path === '/room') peer.subscribe(path)
    },
    message (peer, message) {
      const [topic] = peer.topics
      if (topic === undefined) peer.send(message.text())
      else peer.publish(topic, message.text())
    }
  }
})
serve((request, socket, head) => { handleUpgrade(request, socket, head) })
