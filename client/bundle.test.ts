/** The page's scripts as a cable serves them: their sizes, and what they ask of a page. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { bundleClient, SCRIPTS } from './bundle.ts'
import { licences, sourcesOfScripts } from './licences.ts'

const files = await bundleClient()
const text = (name: string) => Buffer.from(files.get(name)!).toString()

/** KB of 1024 bytes, after gzip. */
const BOUNDS = { 'hotcable.js': 45, 'hotcable-streams.js': 16 } as const

for (const name of SCRIPTS) {
  const size = gzipSync(files.get(name)!).length / 1024

  test(`${name} is small, and the README says how small`, () => {
    const [, printed] = new RegExp(`\`${name}\`[^|]*\\| (\\d+\\.\\d) KB`).exec(readFileSync('README.md', 'utf8'))!

    assert.ok(size <= BOUNDS[name], `${size} KB`)
    assert.ok(Math.abs(size - Number(printed)) < 0.3, `${size} KB, and not ${printed} KB`)
  })

  test(`${name} runs on a page without an import map`, () => {
    assert.doesNotMatch(text(name), /\bimport(?:\s*\(|\s*["'{*]|\s+\w+\s+from)/)
  })

  test(`the source map of ${name} has the sources, and names no folder of this machine`, () => {
    const { sources, sourcesContent } = JSON.parse(text(`${name}.map`))

    assert.match(text(name), new RegExp(`//# sourceMappingURL=${name}\\.map\\n$`))
    assert.equal(sourcesContent.length, sources.length)
    for (const source of sources) assert.match(source, /^\.\.\/(?:\.\.\/node_modules\/)?[@\w]/)
  })
}

test('without esbuild the scripts are those of client/built/, or the reason says how to make them', async t => {
  // Outside of the project, where Node does not find esbuild.
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-client-'))
  t.after(() => rmSync(folder, { recursive: true }))
  cpSync(new URL('bundle.ts', import.meta.url), join(folder, 'bundle.ts'))
  const { bundleClient: bundle } = await import(join(folder, 'bundle.ts'))

  await assert.rejects(bundle(), /esbuild is not installed, and client\/built\/ does not have .*npm run client/)

  mkdirSync(join(folder, 'built'))
  for (const [name, contents] of files) writeFileSync(join(folder, 'built', name), contents)
  const built = await bundle()
  assert.deepEqual([...built.keys()].sort(), [...files.keys()].sort())
  assert.deepEqual(Buffer.from(built.get('hotcable.js')), Buffer.from(files.get('hotcable.js')!))
})

test('npm run client writes the licence of every library in the scripts', async () => {
  const text = licences(await sourcesOfScripts())

  assert.deepEqual(
    [...text.matchAll(/^(\S+) \d+\.\d+\.\d+ \((\S+)\)$/gm)].map(([, name]) => name),
    ['@anycable/core', '@anycable/turbo-stream', '@anycable/web', '@hotwired/turbo', 'nanoevents'],
  )
  assert.equal(text.match(/Permission is hereby granted/g)?.length, 5)
})

test('hotcable-streams.js has no Turbo, and hotcable.js has one', () => {
  const has = (name: string) =>
    JSON.parse(text(`${name}.map`))
      .sources.join()
      .includes('@hotwired/turbo/')

  assert.deepEqual(SCRIPTS.map(has), [true, false])
})

test('two cables in one process can build the scripts at the same time', async () => {
  const first = bundleClient()
  const later = new Promise(resolve => setImmediate(resolve)).then(bundleClient)

  assert.deepEqual(
    (await Promise.all([first, later])).map(({ size }) => size),
    [files.size, files.size],
  )
})
