/**
 * hotcable-streams.js: hotcable.js without Turbo, for a page that loads its own, by an import map, a bundle or a CDN, before or
 * after this script.
 */
import './hotcable-status.js'
import { startStreams } from './streams.ts'

const WAIT_MS = 5000

if (window.Turbo === undefined) {
  const overdue = setTimeout(() => {
    console.warn(
      'hotcable: hotcable-streams.js has waited 5 s for Turbo. Load Turbo, or load hotcable.js, which has it.',
    )
  }, WAIT_MS)
  // Turbo defines this element in the same task in which it sets window.Turbo.
  await customElements.whenDefined('turbo-stream')
  clearTimeout(overdue)
}
startStreams()
