import {
  BUSY,
  DISTURBED,
  growthOf,
  growthVerdict,
  isRough,
  verdict,
  type Finding,
  type Results,
  type Series
} from './results.js'
import { standing, times } from './summary.js'
import { targets, type TargetName } from './targets.js'

const round = (value: number): string => value.toLocaleString('en', {
  maximumFractionDigits: value < 100 ? 1 : 0
})
const percent = (part: undefined | number): string => part === undefined
  ? ''
  : `${Math.round(part * 100)} %`
function cells (finding: Finding, name: TargetName, {
  median,
  least,
  most,
  server,
  load,
  others = 0,
  ratio,
  ratioPerCpu,
  more
}: Series): string[] {
  const goal = name === 'plugin' && finding.must !== undefined && finding.aim !== undefined
    ? `must ${times(finding.must)}, aim ${times(finding.aim)}: ${verdict(finding) ?? 'no ratio'}`
    : ''
  return [
    targets[name].title,
    round(median),
    `${round(least)} to ${round(most)}`,
    ratio === undefined ? '' : times(ratio),
    ratioPerCpu === undefined ? '' : times(ratioPerCpu),
    percent(server) + (server !== undefined && server < BUSY ? ' *' : ''),
    percent(load),
    [
      goal,
      others > DISTURBED ? `others took ${percent(others)} of its core` : '',
      ...Object.entries(more ?? {}).map(([key, value]) => `${key} ${round(value)}`)
    ].filter((part) => part !== '').join('; ')
  ]
}

const rows = (finding: Finding): string[][] =>
  (Object.entries(finding.targets) as Array<[TargetName, Series]>).map(([name, series]) => cells(
    finding,
    name,
    series
  ))

const HEAD = ['', 'median', 'least to most', 'ratio', 'per CPU', 'server', 'generator', '']
const LEFT = [0, 7]

/** A job's table for a terminal. */
export function print (finding: Finding): string {
  const lines = [HEAD, ...rows(finding)]
  const widths = HEAD.map((_, column) => Math.max(
    ...lines.map((line) => line[column]!.length),
    column === 0 ? 37 : column === 2 ? 20 : 9
  ))
  const title = `${finding.name} (${finding.unit}${finding.better === 'lower' ? ', less is better' : ''}${finding.note === undefined ? '' : `; ${finding.note}`})`
  return [
    title,
    ...lines.map((line) => '  ' +
      line.map((cell, column) => LEFT.includes(column)
        ? cell.padEnd(widths[column]!)
        : cell.padStart(widths[column]!)).join('  ').trimEnd())
  ].join('\n')
}

/** The growth of each figure, as a sentence. */
export function printGrowth (findings: readonly Finding[]): undefined | string {
  const growth = growthOf(findings)
  if (growth === undefined) return
  const verdict = growthVerdict(findings)
  const factors = growth.map(
    ({ target, factor }) => `${targets[target].title} ${times(factor)}`
  ).join(', ')
  return `Cost of a delivery with the most receivers, over that with the fewest: ${factors}. The plugin's must be less than that of ws${verdict === undefined ? '' : `: ${verdict}`}.`
}

/** All jobs as Markdown. */
export function markdown ({ date, machine, versions, parameters, findings }: Results): string {
  const groups = [...new Set(findings.map(({ group }) => group))]
  const table = (finding: Finding): string => {
    const body = rows(finding).map(
      ([title, median, spread, ratio, perCpu, server, load, rest]) =>
        `| ${title} | ${median} | ${spread} | ${ratio} | ${perCpu} | ${server} | ${load} | ${rest} |`
    )
    return [
      `**${finding.name}**, ${finding.unit}${finding.better === 'lower' ? ', less is better' : ''}${finding.note === undefined ? '' : `; ${finding.note}`}`,
      '',
      '| | median | least to most | ratio | per CPU | server | generator | |',
      '|---|--:|--:|--:|--:|--:|--:|---|',
      ...body
    ].join('\n')
  }
  const growth = printGrowth(findings)
  const all = findings.flatMap(({ targets }) => Object.values(targets))
  const disturbed = all.filter(({ others = 0 }) => others > DISTURBED).length
  return [
    ...(isRough(parameters)
      ? ['**This was a quick run, to see that everything works. Its figures are rough.**']
      : []),
    ...(disturbed > 0
      ? [
        `**In ${disturbed} of ${all.length} figures other processes took part of the server's core.** Of these only \`per CPU\` says something.`
        ]
      : []),
    `${date.slice(0, 10)}, ${Object.entries(machine).map(([name, value]) => `${name} ${value}`).join(', ')}; medians of ${parameters.runs} runs of ${parameters.seconds} s after ${parameters.warmUp} s.`,
    Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ') + '.',
    standing(findings),
    ...groups.flatMap((group) => [
      `### ${group}`,
      ...findings.filter((finding) => finding.group === group).map(table)
    ]),
    ...(growth === undefined ? [] : [growth])
  ].join('\n\n')
}
