/** For the page that stands in for a Board that does not answer: comes back by itself. */
import { markFrame } from './frame.ts'

markFrame()
setInterval(async () => {
  if (document.querySelector('[data-retry]') === null) return
  const answer = await fetch(location.href, { method: 'HEAD', cache: 'no-store' }).catch(() => undefined)
  if (answer?.ok) location.reload()
}, 2000)
