/**
 * Channels for streams that the app has to permit (--subscribe_url).
 */
import { soon } from '../base/soon.ts'
import type { Authority } from '../rpc/authority.ts'
import type { Channels, Resolve } from './channels.ts'

export const withPermits =
  (channels: Channels, authority: Pick<Authority, 'permit'>): Resolve =>
  (identifier, { identity, request }) => {
    const grant = channels(identifier)
    if (grant.permit !== 'due') return grant
    const question = { identity, stream: grant.streams[0]!, headers: request?.headers ?? {} }
    return soon(authority.permit(question), permit => ({ ...grant, permit }))
  }
