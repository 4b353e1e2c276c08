/**
 * Clients of the chat in Rails that come and go, and the callbacks that Rails runs for them.
 *
 *   clients ─▶ cable ─▶ Rails ─▶ witness ─▶ cable
 *
 * `disconnect` and `unsubscribed` broadcast the name of the user that has gone: the witness counts these broadcasts, by user, also while no cable runs.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { BASE, type Client, connect, EXTENDED } from '../../testing/client.ts'
import { type Chat, chatIdentifier, perform } from '../languages/rails-chat.ts'

type Scope = { after: (clean: () => unknown) => void }

class Counts<Name extends string> {
  readonly #counts = new Map<string, number>()

  count(name: Name, user: string): void {
    this.#counts.set(`${name} ${user}`, this.of(name, user) + 1)
  }

  of(name: Name, user: string): number {
    return this.#counts.get(`${name} ${user}`) ?? 0
  }
}

export interface Witness {
  readonly url: string
  /** How often `disconnect` ran, and `unsubscribed`. */
  readonly ran: Counts<'disconnect' | 'unsubscribed'>
}

/** `cable`: where it takes broadcasts. */
export async function startWitness(t: Scope, cable: string): Promise<Witness> {
  const ran: Witness['ran'] = new Counts()
  const server = createServer(async (request, response) => {
    const body = await text(request)
    for (const { stream, data } of [JSON.parse(body)].flat()) {
      if (stream !== 'news') continue
      const { left, by } = JSON.parse(data)
      if (left === undefined) ran.count('unsubscribed', by)
      else ran.count('disconnect', left)
    }
    const { authorization = '' } = request.headers
    const passed = await fetch(cable, { method: 'POST', headers: { authorization }, body }).catch(() => undefined)
    // (While the cable is away a broadcast has no reader; the gem would try again for half a minute.)
    response.writeHead(passed?.status ?? 201).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ran }
}

export interface Crowd {
  readonly users: ReadonlySet<string>
  /** `attempts` to connect, and `sessions` that began; `subscribes` that were sent, and `subscriptions` that began. */
  readonly saw: Counts<'attempts' | 'sessions' | 'resumed' | 'subscribes' | 'subscriptions'>
  /** Answers to actions. */
  readonly answers: number
  readonly resumed: number
  /** Resolves once each client that stays has had one more answer. */
  allAnswered: () => Promise<void>
  /** Lets all clients leave; resolves once they have. */
  stop: () => Promise<void>
}

/** `guests` come and go; `stayers` connect again whenever their connection ends. */
export function startCrowd(
  t: Scope,
  cable: string,
  chat: Chat,
  { guests, stayers }: { guests: number; stayers: number },
): Crowd {
  const saw: Crowd['saw'] = new Counts()
  const users = new Set<string>()
  let [answers, resumed, visits, isOver] = [0, 0, 0, false]
  const waiting = new Map<string, () => void>()

  async function enter(t: Scope, user: string, protocols: string, previous = ''): Promise<Client> {
    users.add(user)
    const headers = { cookie: await chat.login(user), origin: chat.url }
    saw.count('attempts', user)
    const client = await connect(t, cable, { protocols, headers, query: previous && `?sid=${previous}` })
    const { type, sid, restored } = await client.next()
    if (type !== 'welcome') throw new Error('the cable closed')
    client.sid = sid!
    saw.count(restored === true ? 'resumed' : 'sessions', user)
    if (restored === true) resumed++
    else await subscribe(client, user)
    return client
  }

  async function subscribe(client: Client, user: string): Promise<void> {
    saw.count('subscribes', user)
    client.command('subscribe', chatIdentifier(user))
    await client.until(({ type }) => type === 'confirm_subscription')
    saw.count('subscriptions', user)
  }

  async function ask(client: Client, user: string): Promise<void> {
    perform(client, chatIdentifier(user), 'ask', { text: 'yes' })
    await client.until(({ message }) => (message as { answer?: string } | undefined)?.answer === 'YES')
    answers++
    waiting.get(user)?.()
    waiting.delete(user)
  }

  /** One visit of a guest: some close, some vanish, some unsubscribe first, and some resume their session. */
  async function visit(t: Scope, n: number): Promise<void> {
    const user = `guest-${visits++}`
    const protocols = n % 2 === 0 ? EXTENDED : BASE
    let client = await enter(t, user, protocols)
    await ask(client, user)
    if (n % 4 === 0) {
      await client.drop()
      client = await enter(t, user, protocols, client.sid)
      await ask(client, user)
    }
    if (n % 3 === 0) client.command('unsubscribe', chatIdentifier(user))
    if (n % 3 === 1) await client.drop()
  }

  async function stay(t: Scope, n: number): Promise<void> {
    const user = `stayer-${n}`
    const client = await enter(t, user, n % 2 === 0 ? EXTENDED : BASE)
    while (!isOver) {
      await ask(client, user)
      await pause(100)
    }
  }

  /** Runs again and again; a run ends early if the cable ends or refuses its connection. */
  async function repeat(run: (t: Scope, n: number) => Promise<void>, n: number): Promise<void> {
    while (!isOver) {
      const opened: (() => unknown)[] = []
      try {
        await run({ after: close => void opened.push(close) }, n)
      } catch (error) {
        if (!/the cable closed|response: 503|ECONN|socket hang up/.test(String(error))) throw error
        await pause(100)
      }
      for (const close of opened) close()
    }
  }

  t.after(() => {
    isOver = true
  })
  const staying = Array.from({ length: stayers }, (_, n) => `stayer-${n}`)
  const all = [...Array.from({ length: guests }, (_, n) => repeat(visit, n)), ...staying.map((_, n) => repeat(stay, n))]
  return {
    ...{ users, saw },
    get answers() {
      return answers
    },
    get resumed() {
      return resumed
    },
    allAnswered: async () =>
      void (await Promise.all(staying.map(user => new Promise<void>(then => waiting.set(user, then))))),
    async stop() {
      isOver = true
      await Promise.all(all)
    },
  }
}
