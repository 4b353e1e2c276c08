/**
 * A reader of server-sent events for the cable's tests, by the rules of the browser's EventSource.
 */
import type { TestContext } from 'node:test'
import type { TestCable } from './test-cable.ts'

export interface Event {
  event?: string
  data?: string
  id?: string
  retry?: string
  /** A comment: a raw client gets one for each ping. */
  comment?: true
}

export interface Events {
  readonly response: Response
  /** The Last-Event-ID that a browser would send now. */
  readonly lastEventId: string
  /** The next event, without pings; with `comments` comments as well. `undefined` after the last. */
  next: (options?: { comments?: boolean }) => Promise<Event | undefined>
  abort: () => void
}

export const eventsUrl = (cable: TestCable, query: string): string =>
  `${cable.url.cable.replace('ws', 'http').replace('/cable', '/events')}${query}`

export async function events(
  t: TestContext,
  cable: TestCable,
  query: string,
  { lastEventId = '', headers, ...init }: RequestInit & { lastEventId?: string } = {},
): Promise<Events> {
  const aborter = new AbortController()
  t.after(() => aborter.abort())
  const response = await fetch(eventsUrl(cable, query), {
    signal: aborter.signal,
    headers: lastEventId === '' ? headers! : { ...headers, 'last-event-id': lastEventId },
    ...init,
  })
  let reader: ReadableStreamDefaultReader<string> | undefined
  let text = ''
  let seen = lastEventId
  return {
    response,
    get lastEventId() {
      return seen
    },
    abort: () => aborter.abort(),
    async next({ comments = false } = {}) {
      for (;;) {
        const end = text.indexOf('\n\n')
        if (end >= 0) {
          const event = parse(text.slice(0, end))
          text = text.slice(end + 2)
          seen = event.id ?? seen
          if (event.comment ? comments : event.event !== 'ping' && (event.data !== undefined || event.retry))
            return event
          continue
        }
        reader ??= response.body!.pipeThrough(new TextDecoderStream()).getReader()
        const { value, done } = await reader.read()
        if (done) return undefined
        text += value
      }
    },
  }
}

function parse(block: string): Event {
  if (block === ':') return { comment: true }
  const event: Event = {}
  for (const line of block.split('\n')) {
    const [, name, value = ''] = /^(event|data|id|retry): (.*)$/s.exec(line) ?? []
    if (name === undefined) throw new Error(`no line of an event: ${line}`)
    if (name === 'data' && event.data !== undefined) event.data += `\n${value}`
    else event[name as 'event' | 'data' | 'id' | 'retry'] = value
  }
  return event
}
