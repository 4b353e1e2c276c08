/**
 * Writes the files of the package into a folder: the bundle, the page's scripts, the helpers, and the licences.
 *
 *   bin/hotcable.js  dist/*.js  dist/built/hotcable*.js  backends/<language>/hotcable.*  package.json  README.md  LICENSE…
 *
 * cli/helper.ts and client/bundle.ts find their files there at the same relative paths as in the clone.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bundleClient } from '../client/bundle.ts'
import { licences, sourcesOfScripts } from '../client/licences.ts'
import { bundleCommand, ROOT } from './bundle.ts'

const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')

/** `folder` is new, or was written by an earlier staging. */
export async function stage(folder: string): Promise<void> {
  const write = (path: string, contents: string | Uint8Array): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), contents)
  }
  const copy = (path: string, to = path): void => {
    mkdirSync(dirname(join(folder, to)), { recursive: true })
    copyFileSync(join(ROOT, path), join(folder, to))
  }
  const { inputs } = await bundleCommand(join(folder, 'dist'))
  for (const [name, contents] of await bundleClient()) write(join('dist/built', name), contents)
  for (const helper of globSync('backends/*/hotcable.*', { cwd: ROOT })) copy(helper)
  // An image is built without development packages, and needs no types.
  if (existsSync(TSC)) declareHelper(join(folder, 'backends/typescript'))
  copy('LICENSE')
  write('THIRD-PARTY-LICENSES', licences([...Object.keys(inputs), ...(await sourcesOfScripts())]))
  copy('pack/bin.js', 'bin/hotcable.js')
  chmodSync(join(folder, 'bin/hotcable.js'), 0o755)
  copy('pack/README.md', 'README.md')
  write('package.json', `${JSON.stringify(manifest(), null, 2)}\n`)
}

function declareHelper(folder: string): void {
  const options = '--ignoreConfig --declaration --emitDeclarationOnly --target es2024 --module nodenext --types node'
  const args = [TSC, 'backends/typescript/hotcable.ts', ...options.split(' '), '--outDir', folder]
  execFileSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
}

function manifest(): object {
  const { name, version, description, license } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  return {
    ...{ name, version, description, license },
    type: 'module',
    engines: { node: '>=20.12' },
    bin: { hotcable: 'bin/hotcable.js' },
    exports: {
      './helper': { types: './backends/typescript/hotcable.d.ts', default: './backends/typescript/hotcable.js' },
      './package.json': './package.json',
    },
  }
}
