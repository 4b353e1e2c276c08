/**
 * `npm run settings`: writes .env.example and the tables of server/README.md from the one table of settings.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { envExample, settingsTables } from './help.ts'

writeFileSync(new URL('../../.env.example', import.meta.url), envExample())

const README = new URL('../README.md', import.meta.url)
const [before, after] = readFileSync(README, 'utf8').split(/<!-- settings -->.*<!-- \/settings -->/s)
writeFileSync(README, `${before}<!-- settings -->\n\n${settingsTables()}\n<!-- /settings -->${after}`)
