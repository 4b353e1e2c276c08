/**
 * Figures against goals, as one Markdown table. A server that was not measured is absent, and nothing is said about it.
 */
import type { Figures, Summary } from './figures.ts'

export interface Row {
  title: string
  measure: string
  /** Whose figure it is; ours unless it says so. */
  subject?: string
  goals: readonly Goal[]
  /** Others that are shown for what they say about the goals. */
  beside?: readonly string[]
}

export type Goal =
  /** Not more than this. */
  | { at: number }
  /** Not more than so many times another's figure, of the same measure or `of` another. */
  | { than: string; most: number; of?: string }
  /** Not more than another's figure and this. */
  | { than: string; more: number }

export type Verdict = 'met' | 'MISSED' | 'absent' | 'not measured'

/** Servers with a column of their own; whatever else a goal names shares the last. */
export const COLUMNS = ['C limit', 'nchan', 'socket.io', 'AnyCable']
const SUBJECT = 'Hotcable'

export function table(rows: readonly Row[], figures: Figures): string {
  const lines = rows.map(row => {
    const ours = figures.get(row.measure, row.subject ?? SUBJECT)
    const peers = COLUMNS.map(name => (row.subject === undefined ? cell(ours, figures.get(row.measure, name)) : '–'))
    const others = row.goals.filter(goal => 'than' in goal && !COLUMNS.includes(goal.than)) as {
      than: string
      of?: string
    }[]
    const rest = others.map(({ than, of }) => {
      const found = figures.get(of ?? row.measure, than)
      return `${of === undefined ? than : `a single ${of}`}: ${cell(ours, found)}`
    })
    const beside = (row.beside ?? []).map(name => `${name}: ${cell(ours, figures.get(row.measure, name))}`)
    return [row.title, spread(ours), ...peers, [...rest, ...beside].join('; ') || '–', judge(row, figures)]
  })
  const head = ['measure', SUBJECT, ...COLUMNS, 'other', 'goal']
  return [head, head.map(() => '---'), ...lines].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

/** Each goal of a row, and whether it is met; `absent` where there is nothing to compare with. */
export function verdicts({ measure, subject = SUBJECT, goals }: Row, figures: Figures): [goal: string, Verdict][] {
  const ours = figures.get(measure, subject)?.median
  return goals.map(goal => {
    const theirs = 'than' in goal ? figures.get(('of' in goal && goal.of) || measure, goal.than)?.median : 0
    if (ours === undefined) return [wish(goal), 'not measured']
    if (theirs === undefined) return [wish(goal), 'absent']
    const most = 'at' in goal ? goal.at : 'more' in goal ? theirs + goal.more : theirs * goal.most
    return [wish(goal), ours <= most ? 'met' : 'MISSED']
  })
}

const judge = (row: Row, figures: Figures) =>
  verdicts(row, figures)
    .map(([goal, verdict]) => `${goal} ${verdict === 'MISSED' ? '**MISSED**' : verdict}`)
    .join('; ')

function wish(goal: Goal): string {
  if ('at' in goal) return `≤ ${goal.at}`
  if ('more' in goal) return `≤ ${goal.than} + ${goal.more}`
  return `≤ ${figure(goal.most)} × ${goal.of === undefined ? goal.than : `a single ${goal.of}`}`
}

/** Another's figure, and ours as a multiple of it. */
function cell(ours: Summary | undefined, theirs: Summary | undefined): string {
  if (theirs === undefined) return '–'
  return ours === undefined || theirs.median === 0
    ? spread(theirs)
    : `${spread(theirs)} → ×${(ours.median / theirs.median).toFixed(2)}`
}

function spread(summary: Summary | undefined): string {
  if (summary === undefined) return '–'
  const { median, least, most } = summary
  return least === most ? figure(median) : `${figure(median)} (${figure(least)}–${figure(most)})`
}

/** Three digits. */
export const figure = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
