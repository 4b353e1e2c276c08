/** Channels that the cable does not serve itself are the application's (--rpc_host). */
import { SubscriptionRejected } from '../errors.ts'
import type { AnsweredGrant, Resolve, Subscriber } from './channels.ts'

type Ask = (identifier: string, subscriber: Subscriber, cameAt: number | undefined) => Promise<AnsweredGrant>

export const withApp =
  (channels: Resolve, ask: Ask): Resolve =>
  (identifier, subscriber, cameAt) => {
    try {
      return channels(identifier, subscriber, cameAt)
    } catch (error) {
      if (!(error instanceof SubscriptionRejected) || error.code !== 'channel_unknown') throw error
      return ask(identifier, subscriber, cameAt)
    }
  }
