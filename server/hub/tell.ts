/**
 * Whispers and events of presence, which no history keeps: while the broker is away we drop them.
 */
import { type Broker, BrokerUnavailable, type Live } from '../broker.ts'

export type Tell = (stream: string, live: Live) => void

export interface TellParts {
  broker: Pick<Broker, 'well' | 'tell'>
  /** Counts a dropped message. */
  dropped: () => void
  /** Reports a bug. */
  failed: (error: unknown) => void
}

/** Returns a function that tells all nodes' sessions that listen to the stream. */
export const createTell =
  ({ broker, dropped, failed }: TellParts): Tell =>
  (stream, live) => {
    if (!broker.well) return dropped()
    const told = broker.tell(stream, live)
    if (told === undefined) return
    told.catch(error => (error instanceof BrokerUnavailable ? dropped() : failed(error)))
  }
