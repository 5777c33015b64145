import type { Job } from './jobs.js'
import { BASELINE, type TargetName } from './targets.js'

/** The results of one run of one job at one target. */
export interface Run {
  readonly value: number
  /** The parts of their cores that server and generator took while it was timed. */
  readonly server?: number
  readonly load?: number
  /** The part of the server's core that other processes took meanwhile. */
  readonly others?: number
  readonly more?: Readonly<Record<string, number>>
}

/** All runs of one job at one target. */
export interface Series {
  readonly median: number
  readonly least: number
  readonly most: number
  readonly server?: number
  readonly load?: number
  readonly others?: number
  readonly more?: Readonly<Record<string, number>>
  /** The ratio of the medians to the baseline's. */
  readonly ratio?: number
  /**
   * The same for what is done in a second of the server's processor, if one of the two servers had
   * time to spare, or others took part of its core.
   */
  readonly ratioPerCpu?: number
  readonly runs: readonly Run[]
}

/** A job with what it has found. */
export interface Finding extends Pick<Job, 'group' | 'name' | 'unit' | 'better' | 'must' | 'aim'> {
  /** Parameters that differ from those of the job. */
  readonly note?: string
  readonly targets: Readonly<Partial<Record<TargetName, Series>>>
}

/** The whole file. */
export interface Results {
  readonly date: string
  readonly machine: Readonly<Record<string, string | number | boolean>>
  readonly versions: Readonly<Record<string, string>>
  readonly parameters: { readonly runs: number, readonly seconds: number, readonly warmUp: number }
  readonly findings: readonly Finding[]
}

/** More than this of the server's core in other hands makes a figure worth little. */
export const DISTURBED = 0.05

/** A server below this had time to spare: then it was not what limited the figure. */
export const BUSY = 0.9

function middle (values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

function series (runs: readonly Run[]): Series {
  const values = runs.map(({ value }) => value)
  const median = (of: (run: Run) => undefined | number): undefined | number => of(
    runs[0]!
  ) === undefined
    ? undefined
    : middle(runs.map((run) => of(run)!))
  const server = median(({ server }) => server)
  const load = median(({ load }) => load)
  const others = median(({ others }) => others)
  const { more } = runs[0]!
  return {
    median: middle(values),
    least: Math.min(...values),
    most: Math.max(...values),
    ...(server !== undefined && { server }),
    ...(load !== undefined && { load }),
    ...(others !== undefined && { others }),
    ...(more !== undefined &&
      {
        more: Object.fromEntries(Object.keys(more).map((name) => [
          name,
          median((run) => run.more![name])!
        ]))
      }),
    runs
  }
}

// Whether something else than the server has limited it.
const isHeld = ({ server, others = 0 }: Series): boolean => server !== undefined &&
  (server < BUSY || others > DISTURBED)

/** The summary of the runs of a job at all its targets. */
export function find ({
  group,
  name,
  unit,
  better,
  must,
  aim
}: Job, runs: ReadonlyMap<TargetName, readonly Run[]>, note?: string): Finding {
  const found = new Map([...runs].map(([target, runs]) => [target, series(runs)] as const))
  const base = found.get(BASELINE)
  const compared = [...found].map(([target, own]): [TargetName, Series] => {
    if (base === undefined) return [target, own]
    const ratio = own.median / base.median
    if (better === 'lower' || !(isHeld(own) || isHeld(base))) return [target, { ...own, ratio }]
    return [target, { ...own, ratio, ratioPerCpu: ratio / (own.server! / base.server!) }]
  })
  return {
    group,
    name,
    unit,
    better,
    ...(must !== undefined && { must }),
    ...(aim !== undefined && { aim }),
    ...(note !== undefined && { note }),
    targets: Object.fromEntries(compared)
  }
}

/** Whether there were too few runs, or too short ones, to go by. */
export function isRough ({ runs, seconds }: Results['parameters']): boolean {
  return runs < 3 || seconds < 1
}

/**
 * A target's ratio to the baseline that says most: per CPU where the other would only tell who had
 * the processor.
 */
export function comparable ({ targets }: Finding, target: TargetName): undefined | number {
  return targets[target]?.ratioPerCpu ?? targets[target]?.ratio
}

/** The same, always so that more is better. */
export function gainOf (finding: Finding, target: TargetName): undefined | number {
  const ratio = comparable(finding, target)
  return ratio === undefined || finding.better === 'higher' ? ratio : 1 / ratio
}

/** Whether the plugin is where it has to be. */
export function verdict (finding: Finding): undefined | 'aim reached' | 'must reached' | 'MISSED' {
  const { better, must, aim } = finding
  const ratio = comparable(finding, 'plugin')
  if (ratio === undefined || must === undefined || aim === undefined) return
  const reached = (limit: number): boolean => better === 'higher' ? ratio >= limit : ratio <= limit
  return reached(aim) ? 'aim reached' : reached(must) ? 'must reached' : 'MISSED'
}

/**
 * By how much a delivery's cost, in time of the server's processor, has grown from the fewest to
 * the most receivers.
 */
export function growthOf (findings: readonly Finding[]): undefined | Array<{
  target: TargetName
  factor: number
}> {
  const growth = findings.filter(({ group }) => group === 'growth')
  const [fewest, most] = [growth[0], growth.at(-1)]
  if (fewest === undefined || most === undefined || fewest === most) return
  const cost = ({ targets }: Finding, target: TargetName): number =>
    (targets[target]?.server ?? NaN) / (targets[target]?.median ?? NaN)
  return (Object.keys(most.targets) as TargetName[]).map((target) => ({
    target,
    factor: cost(most, target) / cost(fewest, target)
  }))
}

/** Whether the cost of a delivery grows less than that of the baseline's. */
export function growthVerdict (findings: readonly Finding[]): undefined | 'reached' | 'MISSED' {
  const growth = growthOf(findings)
  const factorOf = (name: TargetName): undefined | number =>
    growth?.find(({ target }) => target === name)?.factor
  const [own, base] = [factorOf('plugin'), factorOf(BASELINE)]
  if (own === undefined || base === undefined) return
  return own < base ? 'reached' : 'MISSED'
}

/** The missed goals of the plugin, by name. */
export function missedOf (findings: readonly Finding[]): string[] {
  const missed = findings.filter((finding) => verdict(finding) === 'MISSED').map(({ name }) => name)
  return growthVerdict(findings) === 'MISSED' ? [...missed, 'growth'] : missed
}
