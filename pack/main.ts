/** `npm run package`: the package of the cable, or its files, for an image. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readOptions } from '../start/options.ts'
import { stage } from './stage.ts'

const USAGE = `Usage: npm run package [-- --into=FOLDER | --files=FOLDER]

Writes hotcable-<version>.tgz into this folder.

  --into=FOLDER   into that folder
  --files=FOLDER  instead writes the files of the package there`

const values = readOptions(USAGE, { files: { type: 'string' }, into: { type: 'string', default: '.' } })
if (values.files !== undefined) await stage(resolve(values.files))
else await pack(resolve(values.into))

async function pack(into: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-package-'))
  try {
    await stage(folder)
    const args = ['pack', '--silent', '--pack-destination', into]
    const name = execFileSync('npm', args, { cwd: folder, encoding: 'utf8' }).trim()
    const file = join(into, name)
    console.log(
      `${file}: ${(statSync(file).size / 1024).toFixed(0)} KB. Try: npx ${values.into === '.' ? `./${name}` : file} cable --help`,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}
