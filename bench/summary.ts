import { gainOf, missedOf, type Finding, type Results } from './results.js'

/** A ratio, as precise as it is worth. */
export const times = (ratio: number): string => ratio.toFixed(ratio < 10 ? 2 : 1)

// Within this of ws it is about equal: two runs of the same differ by as much.
const BETTER = 1.1
const WORSE = 0.9

/** In what the plugin is better than `ws`, about equal, or worse, as a list. */
export function standing (findings: readonly Finding[]): string {
  // For growth there is a figure of its own; its jobs are those of the fan-out once more.
  const gains = findings.filter(({ group }) => group !== 'growth')
    .flatMap((finding) => {
      const gain = gainOf(finding, 'plugin')
      return gain === undefined ? [] : [{ finding, gain }]
    })
  const line = (title: string, is: (gain: number) => boolean): string => {
    const names = gains.filter(({ gain }) => is(gain)).map(
      ({ finding: { name, better }, gain }) =>
        `${name}${better === 'lower' ? ', times less' : ''}: ${times(gain)}`
    )
    return `- **${title}**: ${names.join('; ') || 'nothing'}.`
  }
  return [
    line('Better than ws', (gain) => gain > BETTER),
    line(`About equal, ${WORSE} to ${BETTER}`, (gain) => gain >= WORSE && gain <= BETTER),
    line('Worse than ws', (gain) => gain < WORSE)
  ].join('\n')
}

/** The missed goals, as a sentence. */
export function missed (findings: readonly Finding[]): string {
  const names = missedOf(findings)
  return names.length === 0
    ? 'In the results below nothing is missed.'
    : `In the results below these are missed: ${names.join('; ')}.`
}

/**
 * What a reader of the main README gets to see of the results: the best and the worst, in two
 * sentences.
 */
export function headline ({ date, versions, machine, findings }: Results): string {
  const gain = (name: string): undefined | number => {
    const finding = findings.find((finding) => finding.name === name)
    return finding && gainOf(finding, 'plugin')
  }
  const list = (of: Array<[number | undefined, string]>): string =>
    of.flatMap(([value, text]) => value === undefined
      ? []
      : [text.replace('N', times(value))]).join(
      ', '
    )
  const inverse = (value: undefined | number): undefined | number => value && 1 / value
  const more = list([
    [gain('busy room of 100, 4 in flight'), 'N times as much with 4 messages under way'],
    [gain('busy room of 100, 16 in flight'), 'N times with 16'],
    [gain('busy room of 100, 100 in flight'), 'N times with 100']
  ])
  const same = list([[
    gain('one message to 1,000'),
    'one message to 1,000 clients comes to N times'
  ]])
  const less = list([
    [inverse(gain('handshakes with JWT and role')), 'a guarded upgrade takes N times the time'],
    [inverse(gain('memory of an idle connection')), 'an idle connection N times the heap']
  ])
  const sentences = [more && `a busy room of 100 gets through ${more}`, same, less].filter(
    (part) => part !== ''
  )
  return `Measured on ${date.slice(0, 10)} (Node ${String(machine['node'])}, \`ws\` ${versions['ws']}, one core for the server), beside bare \`ws\`: ${sentences.join('; ')}.`
}
