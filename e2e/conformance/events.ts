/** A reader of server-sent events, by the rules of the HTML specification. */
export interface ServerEvent {
  event?: string
  id?: string
  retry?: string
  data: string
}

export class EventClient {
  readonly response: Response
  readonly #reader: ReadableStreamDefaultReader<string>
  #buffer = ''

  private constructor(response: Response) {
    this.response = response
    this.#reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  }

  static async open(url: string, init: RequestInit = {}): Promise<EventClient> {
    return new EventClient(await fetch(url, init))
  }

  /** The next event; `undefined` after the last. Skips comments, pings and ids without data. */
  async next(): Promise<ServerEvent | undefined> {
    for (;;) {
      const end = this.#buffer.indexOf('\n\n')
      if (end >= 0) {
        const event = parse(this.#buffer.slice(0, end))
        this.#buffer = this.#buffer.slice(end + 2)
        if (event !== undefined && event.event !== 'ping') return event
        continue
      }
      const { value, done } = await this.#reader.read()
      if (done) return undefined
      this.#buffer += value
    }
  }

  close(): void {
    this.#reader.cancel().catch(() => {})
  }
}

function parse(block: string): ServerEvent | undefined {
  const data: string[] = []
  const event: ServerEvent = { data: '' }
  for (const line of block.split('\n')) {
    const [, name, value = ''] = /^([a-z]+): ?(.*)$/s.exec(line) ?? []
    if (name === undefined) continue
    if (name === 'data') data.push(value)
    else if (name === 'event' || name === 'id' || name === 'retry') event[name] = value
  }
  return data.length === 0 ? undefined : { ...event, data: data.join('\n') }
}
