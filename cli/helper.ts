/**
 * `hotcable helper python`: the one file that an app copies. `hotcable helper script public/`: the scripts of pages, for an app
 * that serves them itself, as it must with anycable-go in the cable's place.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { nearest } from '../server/base/nearest.ts'
import type { Io } from './io.ts'

/** Below backends/. */
const FILES: Readonly<Record<string, string>> = {
  typescript: 'typescript/hotcable.ts',
  javascript: 'typescript/hotcable.js',
  python: 'python/hotcable.py',
  php: 'php/hotcable.php',
  ruby: 'ruby/hotcable.rb',
  go: 'go/hotcable.go',
}

export const help = `Usage: hotcable helper <language> > <file>
       hotcable helper script [folder]

Prints the one file that your app needs:

${Object.entries(FILES)
  .map(([language, file]) => `  hotcable helper ${language} > ${basename(file)}\n`)
  .join('')}
\`script\` saves hotcable.js and hotcable-streams.js, for an app that serves them itself. The cable serves them as well.
`

export async function run([name = '', folder = '.', ...rest]: string[], { stdout, stderr, cwd }: Io): Promise<number> {
  if (name === 'script' && rest.length === 0) {
    for (const file of await saveScripts(resolve(cwd, folder))) stderr.write(`saved ${join(folder, file)}\n`)
    return 0
  }
  const file = Object.hasOwn(FILES, name) ? FILES[name] : undefined
  if (file === undefined || folder !== '.' || rest.length > 0) {
    const names = [...Object.keys(FILES), 'script']
    const ofEnding = names.find(each => FILES[each]?.endsWith(`.${name}`))
    const meant = file === undefined && name !== '' && (ofEnding ?? nearest(name, names))
    stderr.write(`hotcable helper needs one of ${names.join(', ')}${meant ? `; did you mean ${meant}?` : ''}\n`)
    return 2
  }
  stdout.write(await readFile(new URL(`../backends/${file}`, import.meta.url), 'utf8'))
  return 0
}

async function saveScripts(folder: string): Promise<string[]> {
  const { bundleClient } = await import('../client/bundle.ts')
  await mkdir(folder, { recursive: true })
  const files = await bundleClient()
  for (const [name, contents] of files) await writeFile(join(folder, name), contents)
  return [...files.keys()]
}
