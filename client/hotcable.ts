/**
 * hotcable.js: all that a page needs, in one script. Turbo, the page's streams, <hotcable-status>.
 *
 *   <script type="module" src="https://cable.example.com/cable/hotcable.js"></script>
 *   <script type="module" src="https://cable.example.com/cable/hotcable.js?drive=off"></script>
 *
 * With `?drive=off` Turbo leaves the app's links, forms and history alone; streams and refreshes work as with Drive.
 *
 * Two Turbos would show every message twice, so on a page that has one the script uses that one.
 */
import './hotcable-status.js'
import { startStreams } from './streams.ts'

if (window.Turbo === undefined) await startTurbo()
else
  console.warn(
    'hotcable: the page has loaded a Turbo already, so hotcable.js uses that one. hotcable-streams.js is the smaller script for such a page.',
  )
startStreams()

async function startTurbo(): Promise<void> {
  await import('@hotwired/turbo')
  const turbo = window.Turbo!
  if (new URL(import.meta.url).searchParams.get('drive') === 'off') {
    turbo.session.drive = false
    // Turbo would answer the Back button with a visit, on a page that itself changes the history.
    turbo.session.history.stop()
  }
  addEventListener('load', () => {
    if (window.Turbo !== turbo)
      console.warn(
        'hotcable: the page has loaded a second Turbo after hotcable.js, so messages may be shown twice. Load hotcable-streams.js, which has no Turbo, in place of hotcable.js.',
      )
  })
}
