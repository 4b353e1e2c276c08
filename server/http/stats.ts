/**
 * The numbers of a running cable: one table for Prometheus (gauges, --metrics_http) and /api/stats.
 */
import type { Soon } from '../base/soon.ts'
import type { Gauges, Metrics } from '../metrics.ts'

/** The numbers of this process. */
export interface OwnCounts {
  readonly stats: () => Stats
  readonly streams: () => Iterable<readonly [stream: string, subscriptions: number]>
  readonly metrics: Metrics
}

/** The numbers that operators see: those of this process, or of all processes that share its ports. */
export interface Numbers {
  readonly stats: () => Soon<object>
  readonly streams: () => Soon<Iterable<readonly [stream: string, subscriptions: number]>>
  /** Prometheus' text. */
  readonly text: () => Promise<string>
}

export type Stats = Record<string, unknown>

/** The parts from which we read the numbers. */
export interface Counted {
  readonly sessions: { readonly count: number; readonly identities: number; readonly pending: number }
  readonly arrivals: { readonly count: number }
  /** `undefined`: the cable asks no app whether clients may subscribe. */
  readonly authority: { readonly pending: number } | undefined
  readonly hub: { readonly size: number }
  readonly broker: { readonly well: boolean; readonly epoch: string; readonly seen: number }
  /** `undefined`: another program keeps everything. */
  readonly memory: Memory | undefined
  readonly webSockets: { readonly count: number }
  /** `undefined`: the cable calls no RPC server. */
  readonly app?: { readonly counts: RpcCounts; readonly departures: { readonly count: number } } | undefined
  /** `undefined`: the cable asks no page to refresh. */
  readonly pace: { readonly waiting: number } | undefined
}

interface RpcCounts {
  readonly calls: number
  readonly errors: number
  readonly retries: number
  readonly timeouts: number
  readonly canceled: number
  readonly refused: number
  readonly pending: number
}

/** What this process keeps. */
interface Memory {
  readonly resumables: { readonly size: number; readonly bytes: number; readonly evicted: number }
  /** `undefined`: the cable keeps no history. */
  readonly history: { readonly bytes: number; readonly streams: number; readonly evicted: number } | undefined
  readonly ids: { readonly count: number; readonly evicted: number }
  readonly presence: { readonly bytes: number; readonly evicted: number; readonly truncated: number } | undefined
}

interface StatsRow {
  /** Its name for Prometheus, without AnyCable's prefix. */
  readonly gauge?: string
  readonly help?: string
  readonly together?: 'min'
  /** It counts what is in {@link Memory}. */
  readonly isMemory?: true
  /** Its place in /api/stats. */
  readonly stat?: string | readonly [group: string, name: string]
  /** `undefined`: the cable runs without that part. */
  readonly read: (of: Counted) => number | string | undefined
}

const ROWS: readonly StatsRow[] = [
  { gauge: 'clients_num', help: 'Connected sessions.', stat: 'sessions', read: of => of.sessions.count },
  {
    gauge: 'clients_uniq_num',
    help: 'Distinct identities among them.',
    stat: 'identities',
    read: of => of.sessions.identities,
  },
  {
    gauge: 'arriving_num',
    help: 'Clients that wait until the app or the broker answers whether to admit them.',
    read: of => of.arrivals.count,
  },
  {
    gauge: 'authorize_pending_num',
    help: 'Questions to --subscribe_url that wait for their answer.',
    read: of => of.authority?.pending,
  },
  {
    gauge: 'broadcast_streams_num',
    help: 'Streams that have a listener.',
    stat: 'streams',
    read: of => of.hub.size,
  },
  {
    gauge: 'lost_sessions_num',
    help: 'Lost sessions that can still be resumed.',
    stat: 'lost_sessions',
    isMemory: true,
    read: of => of.memory?.resumables.size,
  },
  {
    gauge: 'lost_sessions_bytes',
    help: 'Bytes of lost sessions.',
    isMemory: true,
    read: of => of.memory?.resumables.bytes,
  },
  {
    gauge: 'lost_sessions_evicted_total',
    help: 'Lost sessions that gave way to newer ones: --max_lost_sessions, --max_lost_sessions_size.',
    isMemory: true,
    read: of => of.memory?.resumables.evicted,
  },
  { gauge: 'pending_bytes', help: 'Bytes that wait to be written to clients.', read: of => of.sessions.pending },
  { gauge: 'refreshes_waiting_num', help: 'Refreshes that wait for their turn.', read: of => of.pace?.waiting },
  {
    gauge: 'broker_well',
    help: '1 while the broker answers, else 0.',
    together: 'min',
    read: of => Number(of.broker.well),
  },
  {
    gauge: 'history_bytes',
    help: 'Bytes of history.',
    stat: ['history', 'bytes'],
    isMemory: true,
    read: of => of.memory?.history?.bytes,
  },
  {
    gauge: 'history_evicted_total',
    help: 'Messages that gave way to newer ones: --history_max_size.',
    isMemory: true,
    read: of => of.memory?.history?.evicted,
  },
  {
    gauge: 'history_streams_num',
    help: 'Streams that have a history.',
    stat: ['history', 'streams'],
    isMemory: true,
    read: of => of.memory?.history?.streams,
  },
  { stat: ['history', 'epoch'], read: of => of.broker.epoch || undefined },
  { stat: ['history', 'offset'], read: of => (of.broker.epoch ? of.broker.seen : undefined) },
  {
    gauge: 'publication_ids_num',
    help: 'Ids of publications that the cable remembers.',
    isMemory: true,
    read: of => of.memory?.ids.count,
  },
  {
    gauge: 'publication_ids_evicted_total',
    help: 'Ids of publications that gave way to newer ones before --history_ttl.',
    isMemory: true,
    read: of => of.memory?.ids.evicted,
  },
  { gauge: 'presence_bytes', help: 'Bytes of presence.', isMemory: true, read: of => of.memory?.presence?.bytes },
  {
    gauge: 'presence_evicted_total',
    help: 'Members that gave way to newer ones: --presence_max_size.',
    isMemory: true,
    read: of => of.memory?.presence?.evicted,
  },
  {
    gauge: 'presence_truncated_total',
    help: 'Presence answers that left members out: --max_presence_answer_size.',
    isMemory: true,
    read: of => of.memory?.presence?.truncated,
  },
  {
    gauge: 'sse_clients_num',
    help: 'Sessions of server-sent events.',
    read: of => of.sessions.count - of.webSockets.count,
  },
  { gauge: 'mem_sys_bytes', help: 'Resident memory.', read: () => process.memoryUsage.rss() },
]

/** As in AnyCable, a cable that calls no RPC server does not have these. */
const RPC_ROWS: readonly StatsRow[] = [
  { gauge: 'rpc_call_total', help: 'RPC calls.', read: of => of.app?.counts.calls },
  { gauge: 'rpc_error_total', help: 'RPC calls without an answer.', read: of => of.app?.counts.errors },
  { gauge: 'rpc_retries_total', help: 'Repetitions of RPC calls.', read: of => of.app?.counts.retries },
  {
    gauge: 'rpc_timeout_total',
    help: 'Attempts of RPC calls that had no answer in time.',
    read: of => of.app?.counts.timeouts,
  },
  {
    gauge: 'rpc_canceled_total',
    help: 'RPC calls whose clients have gone.',
    read: of => of.app?.counts.canceled,
  },
  {
    gauge: 'rpc_refused_total',
    help: 'RPC calls that the cable did not make, because too many waited: --max_rpc_waiting.',
    read: of => of.app?.counts.refused,
  },
  {
    gauge: 'rpc_pending_num',
    help: 'RPC calls that wait for their turn: --rpc_concurrency.',
    read: of => of.app?.counts.pending,
  },
  {
    gauge: 'disconnect_queue_size',
    help: 'Clients that have gone, and of which the RPC server has not heard yet.',
    read: of => of.app?.departures.count,
  },
]

/** We call `counted` at each scrape. `has`: the parts that it has. */
export const gaugesOf = (counted: () => Counted, has: { rpc: boolean; memory: boolean }): Gauges =>
  Object.fromEntries(
    [...ROWS, ...(has.rpc ? RPC_ROWS : [])].flatMap(({ gauge, help = '', read, together, isMemory }) =>
      gauge === undefined || (isMemory && !has.memory)
        ? []
        : [[gauge, [help, () => Number(read(counted()) ?? 0), together] as const]],
    ),
  )

/** The answer of /api/stats. */
export function statsOf(counted: Counted): Stats {
  const stats: Stats = {}
  for (const { stat, read } of ROWS) {
    const value = read(counted)
    if (stat === undefined || value === undefined) continue
    if (typeof stat === 'string') stats[stat] = value
    else stats[stat[0]] = { ...(stats[stat[0]] as object | undefined), [stat[1]]: value }
  }
  return stats
}
