/**
 * The rows of the table: each measure and its goals.
 */
import { JITTER_SIZES } from './rows/jitter.ts'
import type { TableRow } from './table.ts'

const HERE = 'Hotcable'

const OUTBOX: readonly TableRow[] = ['SQLite', 'PostgreSQL'].flatMap(subject => [
  {
    title: `outbox in ${subject}, one row after a pause: from COMMIT to the page, median, ms`,
    measure: 'outbox at rest, p50',
    subject,
    goals: [{ at: subject === 'SQLite' ? 60 : 15 }],
  },
  { title: 'the same, most, ms', measure: 'outbox at rest, most', subject, goals: [] },
  {
    title: 'the same, while rows come, median, ms',
    measure: 'outbox p50',
    subject,
    goals: [{ at: subject === 'SQLite' ? 60 : 15 }],
  },
  { title: 'the same, 95th percentile, ms', measure: 'outbox p95', subject, goals: [] },
  {
    title: '1,000 rows a second: from COMMIT to the page, 99th percentile, ms',
    measure: 'outbox p99 of 1,000 a second',
    subject,
    goals: [{ at: 1_000 }],
  },
  { title: 'the same, CPU of the cable, percent of a core', measure: 'outbox busy', subject, goals: [] },
  {
    title: 'idle cable, CPU, percent of a core',
    measure: 'outbox idle',
    subject,
    goals: [{ at: 1 }],
    beside: ['without an outbox'],
  },
])

const RPC: readonly TableRow[] = [
  {
    title: 'connect + subscribe with a token and a signed name: CPU of the cable per client, µs',
    measure: 'rpc none',
    goals: [],
  },
  { title: 'the same, until the confirmation, median, ms', measure: 'rpc none p50', goals: [] },
  { title: 'the same, p99, ms', measure: 'rpc none p99', goals: [] },
  {
    title: 'connect + subscribe by RPC over HTTP: CPU of the cable per client, µs',
    measure: 'rpc http',
    goals: [],
  },
  { title: 'the same, CPU of Rails per client, µs', measure: 'rpc http app', goals: [] },
  { title: 'the same, until the confirmation, median, ms', measure: 'rpc http p50', goals: [] },
  { title: 'the same, p99, ms', measure: 'rpc http p99', goals: [] },
  {
    title: 'connect + subscribe by RPC over gRPC: CPU of the cable per client, µs',
    measure: 'rpc grpc',
    goals: [],
  },
  { title: 'the same, CPU of Rails per client, µs', measure: 'rpc grpc app', goals: [] },
  { title: 'the same, until the confirmation, median, ms', measure: 'rpc grpc p50', goals: [] },
  { title: 'the same, p99, ms', measure: 'rpc grpc p99', goals: [] },
]

export const OURS_BY_EVENTS = 'Hotcable, events'

const JITTER: readonly TableRow[] = JITTER_SIZES.flatMap(size => [
  {
    title: `${size} clients, cut at random: messages lost`,
    measure: `jitter lost ${size}`,
    goals: [{ at: 0 }],
  },
  { title: 'the same, doubled', measure: `jitter doubled ${size}`, goals: [{ at: 0 }] },
  { title: 'the same, out of order', measure: `jitter disordered ${size}`, goals: [{ at: 0 }] },
  {
    title: 'the same, from the new connection until the client has all that it missed, median, ms',
    measure: `jitter replay p50 ${size}`,
    goals: [],
  },
  {
    title: 'the same, p99, ms',
    measure: `jitter replay p99 ${size}`,
    goals: ['AnyCable', 'socket.io', 'nchan'].map(than => ({ than, most: 1 })),
  },
  {
    title: 'the same, from the cut, with the time that clients wait, p99, ms',
    measure: `jitter absence p99 ${size}`,
    goals: [],
  },
  {
    title: 'the same, CPU of the server for each message that it delivers, with all that the cuts cost, µs',
    measure: `jitter us ${size}`,
    goals: [],
  },
  { title: 'the same, CPU of the server, percent of its core', measure: `jitter busy ${size}`, goals: [] },
  ...Object.entries({ lost: 'messages lost', doubled: 'doubled', disordered: 'out of order' }).map(
    ([count, title]) => ({
      title: `${size} clients of server-sent events: ${title}`,
      measure: `jitter ${count} ${size}`,
      subject: OURS_BY_EVENTS,
      goals: [{ at: 0 }],
    }),
  ),
  ...['p50', 'p99'].map(share => ({
    title: `the same, from the new connection until the client has all that it missed, ${share}, ms`,
    measure: `jitter replay ${share} ${size}`,
    subject: OURS_BY_EVENTS,
    goals: [],
    beside: ['nchan'],
  })),
])

export const [ONE_WORKER, TWO_WORKERS] = ['one worker', 'two workers']

const WORKERS: readonly TableRow[] = [
  {
    title: 'CPU per delivered message of two workers, 1 in flight, 10k subscribers, µs',
    measure: 'us 10k',
    subject: TWO_WORKERS,
    goals: [{ than: ONE_WORKER, most: 1.15 }],
  },
  {
    title: 'the same, 1k subscribers, µs',
    measure: 'us 1k',
    subject: TWO_WORKERS,
    goals: [{ than: ONE_WORKER, most: 1.15 }],
  },
  {
    title: 'the same, 16 in flight, 10k subscribers, µs',
    measure: 'us 10k x16',
    subject: TWO_WORKERS,
    goals: [],
    beside: [ONE_WORKER],
  },
]

/** Rows of parts that run only when they are asked for. */
export const EXTRA_ROWS: readonly TableRow[] = [...OUTBOX, ...RPC, ...WORKERS, ...JITTER]

export const ROWS: readonly TableRow[] = [
  {
    title: 'CPU per delivered message, 1 in flight, 10k subscribers, µs',
    measure: 'us 10k',
    goals: [
      { than: 'C limit', most: 1.6 },
      { than: 'nchan', most: 0.95 },
      { than: 'socket.io', most: 0.55 },
      { than: 'AnyCable', most: 1 },
    ],
    beside: ['raw node:http'],
  },
  {
    title: 'the same, 1k subscribers, µs',
    measure: 'us 1k',
    goals: [
      { than: 'C limit', most: 1.7 },
      { than: 'nchan', most: 1.15 },
      { than: 'AnyCable', most: 1 },
    ],
    beside: ['raw node:http'],
  },
  {
    title: 'CPU per delivered message, 16 in flight, 10k subscribers, µs',
    measure: 'us 10k x16',
    goals: [
      { than: 'C limit', most: 0.25 },
      { than: 'nchan', most: 1 / 6 },
    ],
  },
  {
    title: 'latency of one message to one idle subscriber, median, ms: coalescing must not wait',
    measure: 'alone',
    goals: [{ than: 'raw node:http', more: 0.25 }],
  },
  {
    title: 'distinct identifiers, 10k, 1 in flight, µs',
    measure: 'us 10k',
    subject: 'Hotcable distinct',
    goals: [{ than: HERE, most: 1.15 }],
  },
  {
    title: 'distinct identifiers, 10k, 16 in flight, µs',
    measure: 'us 10k x16',
    subject: 'Hotcable distinct',
    goals: [{ than: HERE, most: 1.5 }],
  },
  {
    title: 'p99 from POST to the last of 10k clients, ms',
    measure: 'p99 10k',
    goals: [
      { than: 'AnyCable', most: 1 },
      { than: 'nchan', most: 1 },
    ],
  },
  {
    title:
      'RSS per session with one Turbo subscription, 10k, KiB (from 1k to 10k, idle after the load, without a forced collection)',
    measure: 'rss',
    goals: [{ at: 8 }, { than: 'AnyCable', most: 0.5 }],
  },
  {
    title: 'the same, idle since they connected, after a forced collection, KiB',
    measure: 'rss collected',
    goals: [{ at: 8 }],
  },
  {
    title: 'connect + JWT + welcome + subscribe + confirm, CPU per session, herd of 10k, µs',
    measure: 'herd',
    goals: [
      { than: 'bare ws', most: 1.9 },
      { than: 'socket.io', most: 0.6 },
      { than: 'AnyCable', most: 1 },
    ],
    beside: ['ws, signatures checked'],
  },
  {
    title: '`POST /_broadcast` with one subscriber, CPU each, keep-alive, µs',
    measure: 'post',
    goals: [{ than: 'raw node:http', most: 1.4 }],
  },
  {
    title: 'the same, each element of a list of 100, µs',
    measure: 'element',
    goals: [{ than: HERE, of: 'post', most: 0.15 }],
  },
  {
    title: "one slow reader among 10k: the others' p99, ms",
    measure: 'slow reader',
    goals: [{ than: 'undisturbed', most: 1.2 }],
  },
  {
    title: "one 1 MiB message to 10 others with every 8th to 10k: the 10k's p99, ms",
    measure: 'large message',
    goals: [{ than: 'undisturbed', most: 1.2 }],
  },
  {
    title: '1k streams × 10 subscribers: p99, ms; against 1 stream × 10k at the same 10k deliveries/s',
    measure: 'many streams',
    goals: [{ than: 'undisturbed', most: 1.2 }],
  },
  {
    title: 'heap after a minute of churn, after a collection, MiB; against a third of the way',
    measure: 'churn heap',
    goals: [{ than: 'a third of the way', most: 1.05 }],
  },
  {
    title: 'RSS after a minute of churn, after a collection, MiB; against a third of the way',
    measure: 'churn rss',
    goals: [{ than: 'a third of the way', most: 1.1 }],
  },
  { title: 'start to ready, CPU, s', measure: 'start', goals: [{ at: 0.6 }] },
  { title: 'optional packages loaded though nothing asks for them', measure: 'optional', goals: [{ at: 0 }] },
]
