/** For the page that is shown while a Board does not answer: loads the Board once it answers. */
import { markFrame } from './frame.ts'

markFrame()
setInterval(async () => {
  if (document.querySelector('[data-retry]') === null) return
  const answer = await fetch(location.href, { method: 'HEAD', cache: 'no-store' }).catch(() => undefined)
  if (answer?.ok) location.reload()
}, 2000)
