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
  readonly family: Family
  close: () => void
}

export async function startBroadcasts(): Promise<BroadcastQuestions> {
  const { produce } = vectors('broadcasts')
  /** The POSTs for a case so far. */
  const tries = new Map<string, string[]>()
  const ids = new Set<string>()
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request
    const isRight = method === 'POST' && headers.authorization === `Bearer ${KEY}`
    const bodies = tries.get(url!)
    const body = await text(request)
    if (!isRight || bodies === undefined) return void response.writeHead(isRight ? 404 : 401).end()
    const fails = bodies.push(body) === 1 && FAILING[decodeURIComponent(url!.slice(1))]
    if (fails === 'lost') request.socket.destroy()
    else response.writeHead(fails || 201).end()
  })
  await once(server.listen(0, '127.0.0.1').unref(), 'listening')
  const cable = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const ask = ({ id, stream, html, body }: Record<string, unknown>, retries = 0): Case => {
    const path = `/${encodeURIComponent(String(id))}`
    const question = { do: 'broadcast', stream, html, url: cable + path, key: KEY, timeout: 5, retries }
    tries.set(path, [])
    const seen = (answer: ProgramAnswer): ProgramAnswer => {
      const bodies = tries.get(path)!.splice(0)
      return 'error' in answer ? answer : { result: judged(bodies, ids) }
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
  const cases = [...produce.map(row => ask(row)), ...Object.keys(FAILING).map(id => ask({ ...produce[0], id }, 1))]
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { family: { name: 'broadcast', file: 'broadcasts.json', cases }, close }
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
