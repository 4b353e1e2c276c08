import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { envExample, help, settingsTable } from './help.ts'
import { SETTINGS } from './settings.ts'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

test('--help lists every setting', () => {
  for (const name of Object.keys(SETTINGS)) assert.match(help(), new RegExp(`^  --${name}[ =]`, 'm'))
})

test('.env.example is what the settings print: npm run settings', () => {
  assert.equal(read('../../.env.example'), envExample())
})

test("server/README.md's table is what the settings print: npm run settings", () => {
  assert.ok(read('../README.md').includes(settingsTable()))
})
