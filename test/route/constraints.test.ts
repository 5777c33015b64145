import t from 'tap'
import { areSeparate, type Constraints } from '../../src/route/constraints.js'

t.test('constraints are separate where no request can meet both', async (t) => {
  const separate: Array<[one: Constraints, other: Constraints, are: boolean]> = [
    [{}, {}, false],
    [{ host: 'x' }, {}, false],
    [{ host: 'x' }, { host: 'x' }, false],
    [{ host: 'x' }, { host: 'y' }, true],
    [{ host: 'x', version: '1.0.0' }, { version: '1.0.0', host: 'x' }, false],
    [{ version: '1.0.0' }, { version: '1' }, false],
    [{ version: '1.2.0' }, { version: '1.2.x' }, false],
    [{ version: '1.0.1' }, { version: '1.0' }, true],
    // With a custom strategy of the app.
    [{ version: 'alpha' }, { version: 'beta' }, true],
    [{ version: 'alpha' }, { version: 'alpha' }, false],
    [{ tenant: { id: 1 } }, { tenant: { id: 1 } }, false],
    [{ tenant: { id: 1 } }, { tenant: { id: 2 } }, true],
    [{ host: 'x' }, { tenant: 'a' }, false]
  ]
  for (const [one, other, are] of separate) {
    t.equal(areSeparate(one, other), are, JSON.stringify([one, other]))
    t.equal(areSeparate(other, one), are)
  }
})
