// The summary of the benchmark's figures. The figures here are made up.
import t from 'tap'
import type { Job } from '../../bench/jobs.js'
import {
  comparable,
  find,
  growthVerdict,
  missedOf,
  verdict,
  type Finding,
  type Results,
  type Run
} from '../../bench/results.js'
import { headline, missed, standing } from '../../bench/summary.js'
import { printGrowth } from '../../bench/table.js'
import type { TargetName } from '../../bench/targets.js'

type Figures = Partial<Record<TargetName, Run>>
const busy = (value: number): Run => ({ value, server: 1, load: 0.5, others: 0 })

function finding (name: string, figures: Figures, given: Partial<Job> = {}): Finding {
  const job: Job = {
    group: 'echo',
    name,
    work: {} as Job['work'],
    unit: 'messages/s',
    better: 'higher',
    targets: [],
    ...given
  }
  return find(
    job,
    new Map(Object.entries(figures).map(([target, run]) => [target as TargetName, [run]]))
  )
}

t.test('a verdict goes by the ratio where both servers had their cores', async (t) => {
  const goal = { must: 1.5, aim: 3 }
  t.equal(verdict(finding('a', { ws: busy(100), plugin: busy(149) }, goal)), 'MISSED')
  t.equal(verdict(finding('a', { ws: busy(100), plugin: busy(150) }, goal)), 'must reached')
  t.equal(verdict(finding('a', { ws: busy(100), plugin: busy(300) }, goal)), 'aim reached')
  t.equal(verdict(finding('a', { plugin: busy(300) }, goal)), undefined)
  t.equal(verdict(finding('a', { ws: busy(100), plugin: busy(300) })), undefined)
})

t.test('a verdict compares work per CPU where others took part of the core', async (t) => {
  const goal = { must: 1.5, aim: 3 }
  const idle = finding('a', { ws: { ...busy(100), server: 0.5 }, plugin: busy(200) }, goal)
  t.equal(idle.targets.plugin!.ratio, 2)
  t.equal(comparable(idle, 'plugin'), 1)
  t.equal(verdict(idle), 'MISSED')
  const disturbed = finding(
    'a',
    { ws: busy(100), plugin: { ...busy(144), server: 0.92, others: 0.08 } },
    goal
  )
  t.equal(verdict(disturbed), 'must reached')
  t.equal(
    verdict(finding('a', { ws: busy(100), plugin: { ...busy(144), server: 0.92 } }, goal)),
    'MISSED'
  )
  const less = finding(
    'a',
    { ws: { ...busy(100), server: 0.5 }, plugin: busy(20) },
    { must: 1 / 3, aim: 1 / 5, better: 'lower' }
  )
  t.equal(verdict(less), 'aim reached', 'a time is not divided by it')
})

const growth = (most: number): Finding[] => [
  finding('growth: 1,000 receivers', { ws: busy(100), plugin: busy(100) }, { group: 'growth' }),
  finding('growth: 10,000 receivers', { ws: busy(50), plugin: busy(most) }, { group: 'growth' })
]

t.test('growth has a verdict, and is among what is missed', async (t) => {
  t.equal(growthVerdict(growth(51)), 'reached')
  t.equal(growthVerdict(growth(50)), 'MISSED')
  t.equal(growthVerdict(growth(51).slice(1)), undefined)
  t.equal(
    growthVerdict(growth(51).map((each) => ({
      ...each,
      targets: { plugin: each.targets.plugin! }
    }))),
    undefined
  )
  t.match(
    printGrowth(growth(40)),
    /fastify-socket-route 2\.50\. .* less than that of ws: MISSED\.$/
  )
  const slow = finding('slow', { ws: busy(100), plugin: busy(50) }, { must: 1, aim: 2 })
  t.strictSame(missedOf([slow, ...growth(40)]), ['slow', 'growth'])
  t.equal(missed([slow, ...growth(60)]), 'In the results below these are missed: slow.')
  t.equal(missed(growth(60)), 'In the results below nothing is missed.')
})

t.test('better, equal and worse than ws are told, inversely where less is better', async (t) => {
  const findings = [
    finding('fast', { ws: busy(100), plugin: busy(1_120) }),
    finding('equal', { ws: busy(100), plugin: busy(110) }),
    finding('almost', { ws: busy(100), plugin: busy(90) }),
    finding('slow', { ws: busy(100), plugin: busy(89) }),
    finding('memory', { ws: { value: 100 }, plugin: { value: 125 } }, { better: 'lower' }),
    finding('generator', { tcp: busy(1) }),
    ...growth(60)
  ]
  t.equal(standing(findings), [
    '- **Better than ws**: fast: 11.2.',
    '- **About equal, 0.9 to 1.1**: equal: 1.10; almost: 0.90.',
    '- **Worse than ws**: slow: 0.89; memory, times less: 0.80.'
  ].join('\n'))
  t.match(standing([]), /Better than ws\*\*: nothing\./)
})

t.test('the README is told the best and the worst, as far as they were measured', async (t) => {
  const about: Omit<Results, 'findings'> = {
    date: '2027-01-02T03:04:05Z',
    machine: { node: '20.20.2' },
    versions: { ws: '8.23.0' },
    parameters: { runs: 5, seconds: 3, warmUp: 1 }
  }
  const findings = [
    finding('busy room of 100, 4 in flight', { ws: busy(100), plugin: busy(290) }),
    finding('handshakes with JWT and role', { ws: busy(100), plugin: busy(50) }),
    finding(
      'memory of an idle connection',
      { ws: { value: 100 }, plugin: { value: 134 } },
      { better: 'lower' }
    )
  ]
  t.equal(headline({
    ...about,
    findings
  }), 'Measured on 2027-01-02 (Node 20.20.2, `ws` 8.23.0, one core for the server), beside bare ' +
    '`ws`: ' +
    'a busy room of 100 gets through 2.90 times as much with 4 messages under way; a guarded ' +
    'upgrade takes 2.00 times the time, an idle connection 1.34 times the heap.')
})
