/** Changes of sources, for `npm run dev`: an editor saves a file in several steps, so one call follows when all is quiet. */
import { watch } from 'node:fs'

const QUIET_MS = 100
/** Not what interpreters and databases write beside the sources. */
const SOURCE = /\.(py|rb|html|json)$/

/** Calls `then` after sources in one of the folders have changed. Returns what ends it. */
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
