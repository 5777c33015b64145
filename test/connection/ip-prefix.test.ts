import t from 'tap'
import { networkOf } from '../../src/connection/ip-prefix.js'

const networks: Record<string, string[]> = {
  '192.0.2.1': [
    '192.0.2.1',
    '::ffff:192.0.2.1',
    '::FFFF:192.0.2.1',
    '::ffff:c000:201',
    '0:0:0:0:0:ffff:c000:0201',
    '[::ffff:192.0.2.1]:443',
    '192.0.2.1:51234',
    '::ffff:192.0.2.1%eth0'
  ],
  '2001:db8:0:1::/64': [
    '2001:db8:0:1::',
    '2001:db8:0:1::5',
    '2001:DB8:0:1:0:0:0:5',
    '2001:0db8:0000:0001:ffff:ffff:ffff:ffff',
    '2001:db8::1:0:0:0:5',
    '[2001:db8:0:1::5]',
    '[2001:db8:0:1::5]:443',
    '2001:db8:0:1::5%1'
  ],
  '2001:db8:0:2::/64': ['2001:db8:0:2::5'],
  'fe80:0:0:0::/64': ['fe80::1%eth0', 'FE80::1%wlan0', 'fe80::2'],
  '0:0:0:0::/64': ['::1', '0:0:0:0:0:0:0:1'],
  '': [undefined as never, ''],
  unknown: ['unknown'],
  '192.0.2.1:5:6': ['192.0.2.1:5:6']
}
t.test('an address stands for its network, however it is written', async (t) => {
  for (const [network, addresses] of Object.entries(networks)) {
    for (const address of addresses) t.equal(networkOf(address), network, address)
  }
})
