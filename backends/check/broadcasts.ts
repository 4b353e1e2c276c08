/** The vectors of broadcasts as questions, and a cable on this machine that judges the program's POSTs. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Case, type Family, vectors } from './families.ts'
import type { ProgramAnswer } from './program.ts'
import { IDS } from './recipes/broadcast.ts'

const KEY = 's3cret'

/** The first try fails, and the second must carry the same id: a status, or no answer at all. */
const FAILING: Readonly<Record<string, number | 'lost'>> = {
  'the answer to the first try is lost': 'lost',
  'the answer to the first try is 503': 503,
}

export interface BroadcastQuestions {
  /** Of `broadcast`. */
  readonly family: Family
  /** With those of the functions beside it. */
  readonly families: readonly Family[]
  close: () => void
}

export async function startBroadcasts(): Promise<BroadcastQuestions> {
  const { produce, lists, disconnects } = vectors('broadcasts')
  /** The POSTs for a case so far. */
  const tries = new Map<string, string[]>()
  const ids = new Set<string>()
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request
    const isRight = method === 'POST' && headers.authorization === `Bearer ${KEY}`
    const bodies = tries.get(url!)
    const body = await text(request)
    if (!isRight || bodies === undefined) return void response.writeHead(isRight ? 404 : 401).end()
    const fails = bodies.push(body) === 1 && FAILING[decodeURIComponent(url!.slice(1)).replace('broadcast: ', '')]
    if (fails === 'lost') request.socket.destroy()
    else response.writeHead(fails || 201).end()
  })
  await once(server.listen(0, '127.0.0.1').unref(), 'listening')
  const cable = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const ask = (name: string, { id, body, ...row }: Record<string, unknown>, retries = 0): Case => {
    const path = `/${encodeURIComponent(`${name}: ${id}`)}`
    const question = { do: name, ...row, url: cable + path, key: KEY, timeout: 5, retries }
    tries.set(path, [])
    const seen = (answer: ProgramAnswer): ProgramAnswer => {
      const bodies = tries.get(path)!.splice(0)
      if ('error' in answer) return answer
      return { result: name === 'broadcast' ? judged(bodies, ids) : bodies.join('\n') }
    }
    return {
      id: String(id),
      question,
      expected: Array(retries + 1)
        .fill(body)
        .join('\n'),
      seen,
    }
  }
  const made = ({ id, body, ...row }: Record<string, unknown>): Case => ({
    id: String(id),
    question: { do: 'publication', ...row },
    expected: String(body),
    seen: answer => ('result' in answer ? { result: judged([String(answer.result)], ids) } : answer),
  })
  const of = (name: string, cases: Case[]): Family => ({ name, file: 'broadcasts.json', cases })
  const failing = Object.keys(FAILING).map(id => ask('broadcast', { ...produce[0], id }, 1))
  const family = of('broadcast', [...produce.map(row => ask('broadcast', row)), ...failing])
  const families = [
    of('publication', produce.map(made)),
    family,
    of(
      'publish',
      lists.map(row => ask('publish', row)),
    ),
    of(
      'disconnect',
      disconnects.map(row => ask('disconnect', row)),
    ),
  ]
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { family, families, close }
}

/** The bodies of one call, one a line; a verdict replaces each id. Adds the id to `known`. */
function judged(bodies: readonly string[], known: Set<string>): string {
  let first: string | undefined
  let verdict: string = IDS.good
  const lines = bodies.map(body => {
    const id = idOf(body)
    if (id === undefined) return body
    if (first === undefined) {
      first = id
      if (known.has(id)) verdict = IDS.repeated
      else if (!/^[A-Za-z0-9_-]{22}$/.test(id)) verdict = IDS.malformed
      known.add(id)
    }
    const at = body.lastIndexOf(id)
    return body.slice(0, at) + (id === first ? verdict : IDS.changed) + body.slice(at + id.length)
  })
  return lines.join('\n')
}

function idOf(body: string): string | undefined {
  try {
    const id: unknown = JSON.parse(body).meta.id
    return typeof id === 'string' && body.includes(id) ? id : undefined
  } catch {
    return undefined
  }
}
