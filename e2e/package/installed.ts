/** The package, packed from this clone and installed into an empty folder. */
import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

export interface Installed {
  /** The app around it. */
  readonly folder: string
  /** Its own folder. */
  readonly root: string
  /** The file that `npx hotcable` runs. */
  readonly bin: string
  readonly tarball: string
}

/** Deleted when this process ends. */
export function installPackage(): Installed {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-app-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const run = (command: string, args: string[], cwd = '.') => execFileSync(command, args, { cwd, stdio: 'pipe' })
  run(process.execPath, [resolve('pack/main.ts'), '--into', folder])
  const [tarball] = globSync('hotcable-*.tgz', { cwd: folder })
  run('npm', ['init', '--yes'], folder)
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${tarball}`], folder)
  const root = join(folder, 'node_modules/hotcable')
  return { folder, root, bin: join(folder, 'node_modules/.bin/hotcable'), tarball: join(folder, tarball!) }
}
