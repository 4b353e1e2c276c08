/** The vectors of positions as questions, and the server on this machine that answers the program. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Family, vectors } from './families.ts'

const KEY = 's3cret'
/** The answer to a program that asks at the right place. */
const FOUND = '7/asked'

export interface Positions {
  readonly family: Family
  close: () => void
}

export async function startPositions(): Promise<Positions> {
  const { accept, refuse, targets } = vectors('broadcasts')
  const answers = [...accept, ...refuse.filter(({ flag }) => flag !== 'not_201')]
  const server = createServer(({ method, url, headers }, response) => {
    const [, list, index, rest] = /^\/(answers|targets)\/(\d+)(.*)$/.exec(url!) ?? []
    const isAsked = method === 'GET' && headers.authorization === `Bearer ${KEY}`
    if (isAsked && list === 'answers' && answers[Number(index)]) {
      const { status, answer } = answers[Number(index)]!
      return void response.writeHead(Number(status)).end(answer)
    }
    const isFound = isAsked && list === 'targets' && targets[Number(index)]?.get === rest
    response.writeHead(isFound ? 200 : 404).end(JSON.stringify({ position: FOUND }))
  })
  await once(server.listen(0, '127.0.0.1').unref(), 'listening')
  const cable = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ask = (id: unknown, streams: unknown, url: string, expected: unknown) => ({
    id: String(id),
    question: { do: 'position', streams, url: cable + url, key: KEY },
    expected: String(expected),
  })
  const cases = [
    ...answers.map(({ id, position = '-' }, at) => ask(id, ['board/1'], `/answers/${at}`, position)),
    ...targets.map(({ id, streams, url }, at) => ask(id, streams, `/targets/${at}${url}`, FOUND)),
  ]
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { family: { name: 'position', file: 'broadcasts.json', cases }, close }
}
