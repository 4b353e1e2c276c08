/** Reads server-sent events, with the time of arrival of each, until the doctor closes the stream or it ends. */
import type { IncomingMessage } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { type Answer, type Failure, failureOf, read, request } from './ask.ts'

export interface ReceivedEvent {
  /** This machine's clock, Unix time in ms. */
  readonly at: number
  readonly type: string
  readonly data: string
}

export interface EventsVisit {
  readonly askedAt: number
  /** Filled as they arrive. */
  readonly events: ReceivedEvent[]
  /** Once known: the answer, without its body if it is a stream of events; or why no answer came. */
  outcome: Answer | Failure | undefined
  endedAt: number | undefined
  /** Resolves with the first event, the end, or after `timeoutMs`. */
  readonly started: (timeoutMs: number) => Promise<void>
  readonly close: () => void
}

export function openEvents(url: URL, headers: Readonly<Record<string, string>>): EventsVisit {
  const sent = request(url, { headers: { accept: 'text/event-stream', 'accept-encoding': 'gzip', ...headers } })
  const { promise: first, resolve: start } = Promise.withResolvers<void>()
  const visit: EventsVisit = {
    askedAt: Date.now(),
    events: [],
    outcome: undefined,
    endedAt: undefined,
    started: timeoutMs => Promise.race([first, pause(timeoutMs, undefined, { ref: false })]),
    close: () => void sent.destroy(),
  }
  const end = () => {
    visit.endedAt ??= Date.now()
    start()
  }
  sent.on('error', error => {
    visit.outcome ??= failureOf(error)
    end()
  })
  sent.on('response', async response => {
    const { statusCode: status = 0, headers } = response
    const isStream = status === 200 && /^text\/event-stream\b/.test(headers['content-type'] ?? '')
    try {
      if (isStream) {
        visit.outcome = { status, headers, body: '', arrivedAt: Date.now() }
        for await (const event of eventsOf(response)) {
          visit.events.push(event)
          start()
        }
      } else visit.outcome = await read(response)
    } catch (error) {
      visit.outcome ??= failureOf(error)
    }
    end()
  })
  sent.end()
  return visit
}

async function* eventsOf(response: IncomingMessage): AsyncGenerator<ReceivedEvent> {
  let rest = ''
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    const blocks = (rest + chunk).split(/\r?\n\r?\n/)
    rest = blocks.pop()!
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1]
      yield { at: Date.now(), type: field('event') ?? 'message', data: field('data') ?? '' }
    }
  }
}
