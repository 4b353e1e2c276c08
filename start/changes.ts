/** Watches sources for `npm run dev`. An editor saves a file in several steps, so we report them once, after the last. */
import { watch } from 'node:fs'

const QUIET_MS = 100
/** Interpreters and databases write other files beside the sources. */
const SOURCE = /\.(py|rb|go|ts|html|json)$/

/** Calls `then` after sources in one of the folders have changed. Returns a function that stops watching. */
export function onChange(folders: readonly string[], then: () => void): () => void {
  let waiting: NodeJS.Timeout | undefined
  const watchers = folders.map(folder =>
    watch(folder, (_, file) => {
      if (file === null || !SOURCE.test(file)) return
      clearTimeout(waiting)
      waiting = setTimeout(then, QUIET_MS)
    }),
  )
  return () => {
    clearTimeout(waiting)
    for (const watcher of watchers) watcher.close()
  }
}
