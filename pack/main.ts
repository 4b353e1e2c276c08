/**
 * `npm run package`: writes hotcable-<version>.tgz into this folder. `-- --files FOLDER` writes its files instead, for an image.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { stage } from './stage.ts'

const { values } = parseArgs({ options: { files: { type: 'string' }, into: { type: 'string', default: '.' } } })
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
