/** The fields of the messages in rpc.proto, by their numbers: protobuf.ts writes and reads them. */
import type { Fields } from './protobuf.ts'

const ENV: Fields = {
  url: [1, 'string'],
  headers: [2, 'map'],
  cstate: [3, 'map'],
  istate: [4, 'map'],
}

const ENV_RESPONSE: Fields = {
  cstate: [1, 'map'],
  istate: [2, 'map'],
}

const PRESENCE_RESPONSE: Fields = {
  type: [1, 'string'],
  id: [2, 'string'],
  info: [3, 'string'],
  ttl: [4, 'number'],
}

export const MESSAGES = {
  Env: ENV,
  EnvResponse: ENV_RESPONSE,
  PresenceResponse: PRESENCE_RESPONSE,
  ConnectionRequest: {
    env: [3, { fields: ENV }],
  },
  ConnectionResponse: {
    status: [1, 'number'],
    identifiers: [2, 'string'],
    transmissions: [3, 'strings'],
    error_msg: [4, 'string'],
    env: [5, { fields: ENV_RESPONSE }],
  },
  CommandMessage: {
    command: [1, 'string'],
    identifier: [2, 'string'],
    connection_identifiers: [3, 'string'],
    data: [4, 'string'],
    env: [5, { fields: ENV }],
  },
  CommandResponse: {
    status: [1, 'number'],
    disconnect: [2, 'bool'],
    stop_streams: [3, 'bool'],
    streams: [4, 'strings'],
    transmissions: [5, 'strings'],
    error_msg: [6, 'string'],
    env: [7, { fields: ENV_RESPONSE }],
    stopped_streams: [8, 'strings'],
    presence: [9, { fields: PRESENCE_RESPONSE, maybe: true }],
  },
  DisconnectRequest: {
    identifiers: [1, 'string'],
    subscriptions: [2, 'strings'],
    env: [5, { fields: ENV }],
  },
  DisconnectResponse: {
    status: [1, 'number'],
    error_msg: [2, 'string'],
  },
} as const satisfies Record<string, Fields>
