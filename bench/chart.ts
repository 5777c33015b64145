import { gainOf, isRough, type Results } from './results.js'
import { times } from './summary.js'
import type { TargetName } from './targets.js'

// Its background is its own, so that it can be read on a light page and on a dark one.
const INK = '#1f2328'
const FAINT = '#59636e'
const GRID = '#d9dee3'
const BARS: ReadonlyArray<{ target: TargetName, title: string, color: string }> = [
  { target: 'plugin', title: 'fastify-socket-route', color: '#0b6bcb' },
  { target: 'fastify-websocket', title: '@fastify/websocket', color: '#9aa4ae' },
  { target: 'uwebsockets', title: 'uWebSockets.js (native)', color: '#d08700' }
]

/** The rows: jobs by their names, and what they are called where the figure is turned round. */
const ROWS: ReadonlyArray<{ job: string, title?: string }> = [
  { job: 'echo, 1 in flight, 16 B' },
  { job: 'echo, 16 in flight, 16 B' },
  { job: 'echo, 64 in flight, 16 B' },
  { job: 'echo, 16 in flight, 1 KiB' },
  { job: 'echo, 16 in flight, 16 KiB' },
  { job: 'one message to 1,000' },
  { job: 'one message to 10,000' },
  { job: 'busy room of 100, 4 in flight' },
  { job: 'busy room of 100, 16 in flight' },
  { job: 'busy room of 100, 100 in flight' },
  { job: 'busy room of 1,000, 100 in flight' },
  { job: 'compressed broadcast, 1 KiB to 1,000' },
  {
    job: 'worst latency of bystanders, fan-out to 5,000',
    title: 'worst latency of bystanders, times less'
  },
  { job: 'handshakes' },
  { job: 'handshakes with JWT and role' },
  { job: 'memory of an idle connection', title: 'memory of an idle connection, times less' }
]

const WIDTH = 860
const LEFT = 300
const RIGHT = 60
// For the values of bars that end far left.
const INSET = 24
const TOP = 92
const BAR = 11
const GAP = 14
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200]

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

function label (x: number, y: number, text: string, {
  size = 12,
  anchor = 'start',
  color = INK,
  weight = 400
} = {}): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="${color}">${escape(text)}</text>`
}

/** A chart of the main ratios as SVG. */
export function chart ({ date, machine, versions, parameters, findings }: Results): string {
  const rows = ROWS.flatMap(({ job, title = job }) => {
    const finding = findings.find(({ name }) => name === job)
    return finding?.targets.plugin?.ratio === undefined
      ? []
      : [{ title, gains: BARS.map(({ target }) => gainOf(finding, target)) }]
  })
  const gains = rows.flatMap(({ gains }) => gains).filter((gain) => gain !== undefined)
  const ticks = TICKS.filter((_tick, index) => (TICKS[index + 1] ??
    Infinity) > Math.min(0.5, ...gains) &&
    (TICKS[index - 1] ?? 0) < Math.max(2, ...gains))
  const [first, last] = [Math.log(ticks[0]!), Math.log(ticks.at(-1)!)]
  const x = (value: number): number => LEFT + INSET +
    (Math.log(value) - first) / (last - first) * (WIDTH - LEFT - INSET - RIGHT)
  const height = BARS.length * BAR + GAP
  const bottom = TOP + rows.length * height

  const grid = ticks.map((tick) => {
    const at = x(tick).toFixed(1)
    return `<path d="M${at} ${TOP - 6}V${bottom}" stroke="${tick === 1 ? INK : GRID}" stroke-width="${tick === 1 ? 1.5 : 1}"/>` +
      label(x(tick), TOP - 12, tick === 1 ? 'ws = 1' : `${tick}`, {
        size: 11,
        anchor: 'middle',
        color: tick === 1 ? INK : FAINT,
        weight: tick === 1 ? 600 : 400
      })
  })
  const bars = rows.flatMap(({ title, gains }, row) => {
    const top = TOP + row * height + GAP / 2
    return [
      label(LEFT - 14, top + BARS.length * BAR / 2 + 4, title, { anchor: 'end' }),
      ...gains.flatMap((gain, index) => {
        if (gain === undefined) return []
        const { color, target } = BARS[index]!
        const [from, to] = [Math.min(x(1), x(gain)), Math.max(x(1), x(gain))]
        const y = top + index * BAR
        const isLess = gain < 1
        return [
          `<rect x="${from.toFixed(1)}" y="${y}" width="${Math.max(to - from, 1).toFixed(1)}" height="${BAR - 2}" fill="${color}"/>`,
          label(isLess ? from - 4 : to + 4, y + BAR - 2.5, times(gain), {
            size: 10,
            anchor: isLess ? 'end' : 'start',
            color: target === 'plugin' ? INK : FAINT,
            weight: target === 'plugin' ? 700 : 400
          })
        ]
      })
    ]
  })
  const keys = BARS.map(({
    title,
    color
  }, index) => `<rect x="${24 + index * 180}" y="44" width="11" height="11" fill="${color}"/>` +
    label(40 + index * 180, 54, title))
  const about = `${date.slice(0, 10)}, ${machine['processor']}, Node ${machine['node']}, one core for the server; ws ${versions['ws']}. Logarithmic; more is better.${isRough(parameters) ? ' A quick run: figures are rough.' : ''}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${bottom + 36}" viewBox="0 0 ${WIDTH} ${bottom + 36}" font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif" role="img" aria-label="Ratios to ws, job by job">`,
    `<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${bottom + 35}" rx="8" fill="#fff" stroke="${GRID}"/>`,
    label(24, 28, 'Ratio to ws, job by job; per CPU where a server had time to spare', {
      size: 16,
      weight: 600
    }),
    ...keys,
    ...grid,
    ...bars,
    label(24, bottom + 20, about, { size: 11, color: FAINT }),
    '</svg>'
  ].join('\n') + '\n'
}
