/**
 * Remote disconnects: a backend ends the sessions of an identity, wherever they are.
 */
import { type Soon, soon } from '../base/soon.ts'
import { type Broker, BrokerUnavailable, type Disconnect, type Told } from '../broker.ts'
import { RequestRefused } from '../errors.ts'

export interface DisconnectParts {
  signal: Broker['signal']
  /** Forgets the lost sessions of an identity. */
  forget: (identity: string) => Soon<void>
}

/** Returns a function that ends sessions, and returns what it did. It throws RequestRefused if the broker is away. */
export function createDisconnect({ signal, forget }: DisconnectParts): (request: Disconnect) => Soon<number | Told> {
  return request => {
    // First the lost sessions, so that no client resumes one on a node that has applied the signal.
    const forgotten = 'identity' in request ? forget(request.identity) : undefined
    const ended = soon(forgotten, () => signal(request))
    return ended instanceof Promise ? ended.catch(refuse) : ended
  }
}

function refuse(error: unknown): never {
  if (!(error instanceof BrokerUnavailable)) throw error
  throw new RequestRefused('broker_unavailable', undefined, { cause: error })
}
