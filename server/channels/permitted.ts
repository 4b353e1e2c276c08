/**
 * Channels for streams that the app has to permit (--subscribe_url).
 */
import { soon } from '../base/soon.ts'
import type { Authority } from '../rpc/authority.ts'
import type { Channels, Resolve } from './channels.ts'

export interface PermitParts {
  permit: Authority['permit']
  monotonic: () => number
}

export const withPermits =
  (channels: Channels, { permit, monotonic }: PermitParts): Resolve =>
  (identifier, subscriber, cameAt) => {
    const grant = channels(identifier)
    if (grant.permit !== 'due') return grant
    const { identity, request } = subscriber
    const question = { identity, stream: grant.streams[0]!, headers: request?.headers ?? {} }
    const waitedMs = cameAt === undefined ? 0 : monotonic() - cameAt
    return soon(permit(question, subscriber, waitedMs), permit => ({ ...grant, permit }))
  }
