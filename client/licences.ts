/** The licences of the libraries in a bundle, as one text. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { BUILT, ENTRIES, OPTIONS } from './bundle.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** `files`: the sources of bundles, relative to the project. Throws an Error if a library has no licence. */
export function licences(files: readonly string[]): string {
  const found = files.map(file => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1])
  const folders = [...new Set(found.filter(folder => folder !== undefined))].sort()
  return folders.map(licenceOf).join(`\n${'-'.repeat(80)}\n\n`)
}

/** The sources of the page's scripts, relative to the project, as esbuild bundles them. */
export async function sourcesOfScripts(): Promise<string[]> {
  const { metafile } = await build({
    ...OPTIONS,
    entryPoints: [...ENTRIES],
    outdir: BUILT,
    absWorkingDir: ROOT,
    metafile: true,
  })
  return Object.keys(metafile.inputs)
}

function licenceOf(folder: string): string {
  const path = join(ROOT, folder)
  const { name, version, license, author, repository } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
  const file = readdirSync(path).find(file => /^licen[cs]e/i.test(file))
  if (file === undefined && license !== 'MIT') throw new Error(`${name} has no file with its licence, ${license}`)
  const owner = author?.name ?? author ?? `the authors of ${repository.url}`
  const text = file === undefined ? mit(owner) : readFileSync(join(path, file), 'utf8')
  return `${name} ${version} (${license})\n\n${text.trim()}\n`
}

/** Some packages name the MIT licence without its text, which is the same as in our file. */
const mit = (author: string): string =>
  readFileSync(join(ROOT, 'LICENSE'), 'utf8').replace(/^Copyright .*$/m, `Copyright (c) ${author}`)
