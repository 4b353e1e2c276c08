/**
 * `npm run settings`: writes .env.example and the tables of docs/operating.md from the one table of settings.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { envExample, settingsTables } from './help.ts'

writeFileSync(new URL('../../.env.example', import.meta.url), envExample())

const PAGE = new URL('../../docs/operating.md', import.meta.url)
const [before, after] = readFileSync(PAGE, 'utf8').split(/<!-- settings -->.*<!-- \/settings -->/s)
writeFileSync(PAGE, `${before}<!-- settings -->\n\n${settingsTables()}\n<!-- /settings -->${after}`)
