/**
 * Reads the JSON of the answers over HTTP. The names are those of rpc.proto; what is absent, or null, is empty. Pure.
 */
import {
  type CommandResponse,
  type ConnectionResponse,
  type DisconnectResponse,
  type EnvResponse,
  type PresenceResponse,
  RpcFailed,
  STATUS,
  type State,
  type Status,
} from './controller.ts'

/** Each throws {@link RpcFailed}, with `malformed`. */
export function readConnection(text: string): ConnectionResponse {
  const answer = parse(text)
  return {
    ...outcomeOf(answer),
    identifiers: string(answer, 'identifiers'),
    transmissions: strings(answer, 'transmissions'),
    env: envOf(answer),
  }
}

export function readCommand(text: string): CommandResponse {
  const answer = parse(text)
  return {
    ...outcomeOf(answer),
    disconnect: bool(answer, 'disconnect'),
    stop_streams: bool(answer, 'stop_streams'),
    streams: strings(answer, 'streams'),
    stopped_streams: strings(answer, 'stopped_streams'),
    transmissions: strings(answer, 'transmissions'),
    env: envOf(answer),
    presence: presenceOf(answer),
  }
}

export const readDisconnect = (text: string): DisconnectResponse => outcomeOf(parse(text))

type Answer = Record<string, unknown>

function outcomeOf(answer: Answer): DisconnectResponse {
  const status = answer.status ?? STATUS.ERROR
  if (!Object.values(STATUS).includes(status as Status)) throw malformed('status')
  return { status: status as Status, error_msg: string(answer, 'error_msg') }
}

function envOf(answer: Answer): EnvResponse {
  const env = record(answer, 'env')
  return { cstate: stateOf(env, 'cstate'), istate: stateOf(env, 'istate') }
}

function presenceOf(answer: Answer): PresenceResponse | undefined {
  if (answer.presence === undefined || answer.presence === null) return undefined
  const presence = record(answer, 'presence')
  return { type: string(presence, 'type'), id: string(presence, 'id'), info: string(presence, 'info') }
}

function stateOf(env: Answer, name: string): State {
  const state = record(env, name)
  for (const value of Object.values(state)) if (typeof value !== 'string') throw malformed(name)
  return state as State
}

const NOTHING: Answer = {}

function record(from: Answer, name: string): Answer {
  const value = from[name] ?? NOTHING
  if (typeof value !== 'object' || Array.isArray(value)) throw malformed(name)
  return value as Answer
}

function string(from: Answer, name: string): string {
  const value = from[name] ?? ''
  if (typeof value !== 'string') throw malformed(name)
  return value
}

function strings(from: Answer, name: string): readonly string[] {
  const value = from[name] ?? []
  if (!Array.isArray(value) || !value.every(one => typeof one === 'string')) throw malformed(name)
  return value
}

function bool(from: Answer, name: string): boolean {
  const value = from[name] ?? false
  if (typeof value !== 'boolean') throw malformed(name)
  return value
}

/** (A message of JSON.parse would repeat the answer in the log.) */
function parse(text: string): Answer {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Answer
  } catch (cause) {
    throw new RpcFailed('malformed', 'not JSON', { cause })
  }
  throw new RpcFailed('malformed', 'not an object')
}

const malformed = (field: string): RpcFailed => new RpcFailed('malformed', `field ${field}`)
