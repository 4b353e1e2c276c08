import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { envExample, help, settingsTables } from './help.ts'
import { SECTIONS, SETTINGS, type SettingName } from './settings.ts'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

test('--help lists every setting', () => {
  for (const name of Object.keys(SETTINGS)) assert.match(help('hotcable cable'), new RegExp(`^  --${name}[ =]`, 'm'))
})

test('every setting is in one section, below its heading in --help, .env.example and docs/operating.md', () => {
  const headings = Object.keys(SECTIONS)
  const names = Object.values(SECTIONS).flatMap(section => Object.keys(section))

  assert.deepEqual(names.toSorted(), Object.keys(SETTINGS).toSorted())
  assert.deepEqual(names.length, new Set(names).size)
  for (const [text, heading, setting] of [
    [help('hotcable cable'), /^(\w.*):$/, /^ {2}--([\w-]+)/],
    [envExample(), /^# ── (.*) ──$/, /^# (?:ANYCABLE|HOTCABLE)_(\w+)=/],
    [settingsTables(), /^### (.*)$/, /^\| `--([\w-]+)`/],
  ] as const) {
    const lines = text.split('\n').map(line => heading.exec(line)?.[1] ?? setting.exec(line)?.[1]?.toLowerCase())
    const expected = headings.flatMap(heading => [heading, ...Object.keys(SECTIONS[heading]!)])
    assert.deepEqual(lines.filter(line => line !== undefined).map(spelt), expected.map(spelt))
  }
})

/** A variable has underscores where some flags have dashes. */
const spelt = (name: string): string => name.replaceAll('-', '_')

test('.env.example equals the output of npm run settings', () => {
  assert.equal(read('../../.env.example'), envExample())
})

test('the tables in docs/operating.md equal the output of npm run settings', () => {
  assert.ok(read('../../docs/operating.md').includes(settingsTables()))
})

test('the cable can read the value of every flag in docs/ and in the READMEs', () => {
  const pages = globSync(['*.md', '{docs,deploy,backends}/**/*.md'], { cwd: new URL('../../', import.meta.url) })
  const values = pages.flatMap(page =>
    [...read(`../../${page}`).matchAll(/[`\s'(]--([a-z][\w-]*)=([^`'\s…)]*[^`'\s…).,:;])/g)]
      .filter(([, name]) => name! in SETTINGS)
      .map(([, name, value]) => ({ page, name: name as SettingName, value: value! })),
  )

  for (const { page, name, value } of values)
    assert.doesNotThrow(() => SETTINGS[name].read(value), `${page}: --${name}=${value}`)
  assert.ok(values.length > 40)
})
