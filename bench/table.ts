/**
 * Figures against goals, as one Markdown table. A server that was not measured is absent: it is neither better nor worse.
 */
import type { Figures, Summary } from './figures.ts'

export interface TableRow {
  title: string
  measure: string
  /** The server that the figure belongs to; ours by default. */
  subject?: string
  goals: readonly Goal[]
  /** Other servers, shown because they explain the goals. */
  beside?: readonly string[]
}

export type Goal =
  /** At most this. */
  | { at: number }
  /** At most this many times another's figure, of the same measure or `of` another. */
  | { than: string; most: number; of?: string }
  /** At most another's figure plus this. */
  | { than: string; more: number }

export type GoalVerdict = 'met' | 'MISSED' | 'absent' | 'not measured'

/** Servers that have a column; all others that a goal names share the last one. */
export const COLUMNS = ['C limit', 'nchan', 'socket.io', 'AnyCable', 'Action Cable']
const SUBJECT = 'Hotcable'

export function table(rows: readonly TableRow[], figures: Figures): string {
  const lines = rows.map(row => {
    const { measure, subject = SUBJECT } = row
    const ours = figures.get(measure, subject)
    // Their figure, and ours as a multiple of it.
    const cell = (name: string, of?: string) => {
      const [theirs, ratio] = [figures.get(of ?? measure, name), figures.ratio(measure, subject, name, of)]
      return Number.isFinite(ratio) ? `${spread(theirs)} → ×${ratio!.toFixed(2)}` : spread(theirs)
    }
    const peers = COLUMNS.map(name => (row.subject === undefined ? cell(name) : '–'))
    const others = row.goals.filter(goal => 'than' in goal && !COLUMNS.includes(goal.than)) as {
      than: string
      of?: string
    }[]
    const rest = others.map(({ than, of }) => `${of === undefined ? than : `a single ${of}`}: ${cell(than, of)}`)
    const beside = (row.beside ?? []).map(name => `${name}: ${cell(name)}`)
    return [row.title, spread(ours), ...peers, [...rest, ...beside].join('; ') || '–', judge(row, figures)]
  })
  const head = ['measure', SUBJECT, ...COLUMNS, 'other', 'goal']
  return [head, head.map(() => '---'), ...lines].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

/** Figures without goals: a column for each measure, by its title, and a row for each server that has one of them. */
export function matrix(
  columns: Readonly<Record<string, string>>,
  servers: readonly string[],
  figures: Figures,
): string {
  const titles = Object.keys(columns)
  const lines = servers
    .map(server => [server, ...Object.values(columns).map(measure => spread(figures.get(measure, server)))])
    .filter(([, ...cells]) => cells.some(cell => cell !== '–'))
  const head = ['', ...titles]
  return lines.length === 0
    ? ''
    : [head, head.map(() => '---'), ...lines].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

/** Each goal of a row, and whether it is met; `absent` if there is nothing to compare with. */
export function verdicts(
  { measure, subject = SUBJECT, goals }: TableRow,
  figures: Figures,
): [goal: string, GoalVerdict][] {
  const ours = figures.get(measure, subject)?.median
  return goals.map(goal => {
    if (ours === undefined) return [wish(goal), 'not measured']
    const kept = keeps(goal, ours)
    return [wish(goal), kept === undefined ? 'absent' : kept ? 'met' : 'MISSED']
  })

  function keeps(goal: Goal, ours: number): boolean | undefined {
    if ('at' in goal) return ours <= goal.at
    if ('more' in goal) {
      const theirs = figures.get(measure, goal.than)
      return theirs && ours <= theirs.median + goal.more
    }
    const ratio = figures.ratio(measure, subject, goal.than, goal.of)
    return ratio === undefined ? undefined : ratio <= goal.most
  }
}

const judge = (row: TableRow, figures: Figures) =>
  verdicts(row, figures)
    .map(([goal, verdict]) => `${goal} ${verdict === 'MISSED' ? '**MISSED**' : verdict}`)
    .join('; ')

function wish(goal: Goal): string {
  if ('at' in goal) return `≤ ${goal.at}`
  if ('more' in goal) return `≤ ${goal.than} + ${goal.more}`
  return `≤ ${figure(goal.most)} × ${goal.of === undefined ? goal.than : `a single ${goal.of}`}`
}

function spread(summary: Summary | undefined): string {
  if (summary === undefined) return '–'
  const { median, least, most } = summary
  return least === most ? figure(median) : `${figure(median)} (${figure(least)}–${figure(most)})`
}

/** Rounds to three digits. */
export const figure = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
