import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import LANGUAGES from '../backends/languages.json' with { type: 'json' }
import { folder, hotcable } from './testing.ts'

test('helper prints the file of each language that has one', async () => {
  const languages = Object.entries(LANGUAGES).filter(([, row]) => 'adapter' in row)
  for (const [language] of languages) {
    const { code, stdout } = await hotcable(['helper', language])

    assert.equal(code, 0)
    const [file] = readdirSync(`backends/${language}`).filter(name => /^hotcable\.(?!js$)\w+$/.test(name))
    assert.equal(stdout, readFileSync(join('backends', language, file!), 'utf8'))
  }
  assert.equal(languages.length, 5)
})

test('helper names the languages if it does not know one', async () => {
  const { code, stdout, stderr } = await hotcable(['helper', 'pyton'])

  assert.deepEqual([code, stdout], [2, ''])
  assert.match(stderr, /^hotcable helper needs one of .*python.*; did you mean python\?\n$/)
  for (const rest of [['hotcable.py'], ['.', 'hotcable.py']])
    assert.equal((await hotcable(['helper', 'python', ...rest])).code, 2)
})

test('helper without a language names the languages, and means none of them', async () => {
  const { code, stderr } = await hotcable(['helper'])

  assert.equal(code, 2)
  assert.match(stderr, /, go, script\n$/)
})

test('helper takes the ending of a file for its language', async () => {
  const { stderr } = await hotcable(['helper', 'js'])

  assert.match(stderr, /; did you mean javascript\?\n$/)
})

test('helper script saves the scripts of pages, and names them', async t => {
  const cwd = folder(t)

  const { code, stderr } = await hotcable(['helper', 'script', 'public/js'], { cwd })

  assert.equal(code, 0)
  const saved = readdirSync(join(cwd, 'public/js'))
  assert.deepEqual(saved, ['hotcable-streams.js', 'hotcable-streams.js.map', 'hotcable.js', 'hotcable.js.map'])
  for (const name of saved) assert.ok(stderr.includes(`saved public/js/${name}\n`))
})

test('a folder that cannot be made is an error in one line', async t => {
  const cwd = folder(t)
  writeFileSync(join(cwd, 'public'), '')

  const { code, stderr } = await hotcable(['helper', 'script', 'public/js'], { cwd })

  assert.equal(code, 1)
  assert.match(stderr, /^hotcable helper: ENOTDIR: .*\n$/)
})
