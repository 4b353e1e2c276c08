/**
 * `npm run settings`: writes .env.example and the tables of docs/operating.md and docs/anycable.md from the tables of settings.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { anycableTable } from './anycable-table.ts'
import { envExample, settingsTables } from './help.ts'

writeFileSync(new URL('../../.env.example', import.meta.url), envExample())
replaceTable('operating.md', 'settings', settingsTables())
replaceTable('anycable.md', 'flags', anycableTable())

function replaceTable(page: string, name: string, table: string): void {
  const path = new URL(`../../docs/${page}`, import.meta.url)
  const [before, after] = readFileSync(path, 'utf8').split(new RegExp(`<!-- ${name} -->.*<!-- /${name} -->`, 's'))
  writeFileSync(path, `${before}<!-- ${name} -->\n\n${table}\n<!-- /${name} -->${after}`)
}
