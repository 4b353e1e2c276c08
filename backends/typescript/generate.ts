/**
 * `npm run helper`: writes hotcable.js, which is hotcable.ts without its types, for JavaScript and for Node 20.
 * With --check it exits 1 if the file differs from the generated text.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'

const SOURCE = new URL('hotcable.ts', import.meta.url)
const FILE = new URL('hotcable.js', import.meta.url)

const generated = javascript(readFileSync(SOURCE, 'utf8'))
if (!process.argv.includes('--check')) writeFileSync(FILE, generated)
else if (readFileSync(FILE, 'utf8') !== generated) {
  console.error('backends/typescript/hotcable.js differs from hotcable.ts: npm run helper')
  process.exitCode = 1
}

function javascript(source: string): string {
  const [, about] = /^( \* Hotcable for TypeScript \(.*?\)): /m.exec(source)!
  const withoutTypes = source
    .replace(about!, ' * Hotcable for JavaScript (Node 20 or later)')
    // Their comments would stay behind.
    .replaceAll(/^(\/\*\*.*\*\/\n)?(export |import )?type .*\n/gm, '')
  const stripped = stripTypeScriptTypes(withoutTypes).replaceAll(/, \{\s*\} from/g, ' from')
  const biome = 'node_modules/@biomejs/biome/bin/biome'
  return execFileSync(process.execPath, [biome, 'format', '--stdin-file-path=hotcable.js'], {
    cwd: new URL('../..', import.meta.url),
    input: stripped,
    encoding: 'utf8',
  })
}
