/** For tests: a file system that is soon full, and unmounted after its test. */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly folder: string
  /** Leaves no byte for others. */
  fill: () => void
  /** Deletes what {@link fill} wrote. */
  free: () => void
}

export interface SmallDiskOptions {
  readonly kib: number
  /** The user that owns it. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/** The option `skip` of a test that needs one. */
export const NO_SMALL_DISK = canMount() ? false : 'a small disk is not here: only root may mount one, on Linux'

export function mountSmallDisk(t: { after: (end: () => void) => void }, { kib, owner }: SmallDiskOptions): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-disk-'))
  if (!mount(folder, kib, owner)) throw new Error('cannot mount a small disk')
  t.after(() => {
    // A program that ends may still hold a file.
    spawnSync('umount', ['--lazy', folder])
    rmSync(folder, { recursive: true })
  })
  const filler = join(folder, 'filler')
  return {
    folder,
    fill() {
      const file = openSync(filler, 'a')
      for (const bytes of [65_536, 4_096, 1]) while (fits(file, bytes));
      closeSync(file)
    },
    free: () => rmSync(filler, { force: true }),
  }
}

function fits(file: number, bytes: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(bytes, 1)) === bytes
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}

function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-disk-'))
  const isMounted = mount(folder, 64)
  if (isMounted) spawnSync('umount', [folder])
  rmSync(folder, { recursive: true })
  return isMounted
}

function mount(folder: string, kib: number, owner: SmallDiskOptions['owner'] = { uid: 0, gid: 0 }): boolean {
  const options = `size=${kib}k,mode=755,uid=${owner.uid},gid=${owner.gid}`
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]).status === 0
}
