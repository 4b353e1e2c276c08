/** The scripts that a site's pages load: the Board's, and those that other apps have. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { OPTIONS } from '../../client/bundle.ts'
import type { ClientName } from './demo.ts'

/** `old`: @rails/actioncable as it was before 7.1, without subprotocols. `…-alone`: without hotcable-status.js. */
export type Script = ClientName | 'old' | keyof typeof ALONE

/** As the READMEs of the packages say. */
const ALONE = {
  'anycable-alone': `import '@hotwired/turbo'
    import { start } from '@anycable/turbo-stream'
    import { createCable } from '@anycable/web'
    start(createCable({ protocol: 'actioncable-v1-ext-json' }))`,
  'rails-alone': `import '@hotwired/turbo-rails'`,
}

/** By file name. */
export async function bundle(): Promise<Map<string, Uint8Array>> {
  const options = { ...OPTIONS, minify: false, sourcemap: false, outdir: '/' } as const
  const entryPoints = { anycable: 'client/hotcable.ts', rails: 'web/client/rails.ts' }
  const { outputFiles } = await build({ ...options, entryPoints })
  const old = await build({ ...options, entryPoints: { old: 'web/client/rails.ts' }, plugins: [withoutSubprotocols] })
  const scripts = new Map([...outputFiles, ...old.outputFiles].map(({ path, contents }) => [basename(path), contents]))
  for (const [name, contents] of Object.entries(ALONE)) {
    const alone = await build({ ...options, stdin: { contents, resolveDir: import.meta.dirname } })
    scripts.set(`${name}.js`, alone.outputFiles[0]!.contents)
  }
  return scripts
}

const withoutSubprotocols: Plugin = {
  name: 'without-subprotocols',
  setup(build) {
    build.onLoad({ filter: /actioncable\/src\/(consumer|connection)\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      return {
        contents: text
          .replace('this.subprotocols = []', '')
          .replace('[...protocols, ...this.consumer.subprotocols || []]', 'protocols'),
      }
    })
  },
}
