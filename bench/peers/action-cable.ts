/**
 * Action Cable in a Rails app, action-cable.rb, which also takes the POSTs and broadcasts. It keeps no history, so positions mean
 * nothing to it.
 */
import { existsSync, globSync } from 'node:fs'
import { freePorts } from '../../start/network.ts'
import { startProgram } from '../process.ts'
import { postRequest, upgradeRequest } from '../wire.ts'
import { clean, SECRET, subscribe } from './cables.ts'
import { type Peer, STREAM } from './peer.ts'

const GEMS = ['actioncable-7.2', 'turbo-rails-']
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

export const actionCable = (): Peer => ({
  name: 'Action Cable',
  absent:
    existsSync('/usr/bin/ruby') && GEMS.every(gem => globSync(`tmp/gems/gems/${gem}*`).length > 0)
      ? undefined
      : 'the gems of Rails 7.2: npm run setup',
  async start() {
    const [port] = (await freePorts(1)) as [number]
    const program = await startProgram('ruby', [`${import.meta.dirname}/action-cable.rb`], {
      ready: /Use Ctrl-C to stop/,
      env: { ...clean(), PORT: String(port), SECRET },
    })
    return {
      program,
      port,
      postPort: port,
      greeting: '"type":"welcome"',
      confirmation: '"confirm_subscription"',
      async clients(count, { stream = () => STREAM, group = () => 0 } = {}) {
        return Array.from({ length: count }, (_, n) => ({
          group: group(n),
          hello: upgradeRequest('/cable', ['actioncable-v1-json']),
          words: subscribe(stream(n)),
        }))
      },
      post(stream, { html }) {
        const { path, headers, body } = broadcastByForm(stream, html)
        return postRequest(
          path,
          body,
          Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
        )
      },
    }
  },
})

/** The form that a page of the app sends. */
export const broadcastByForm = (stream: string, html: string) => ({
  path: '/broadcast',
  headers: FORM,
  body: new URLSearchParams({ stream, html }).toString(),
})
