/**
 * The settings, printed in their sections: for --help, for .env.example, and for the tables of docs/operating.md.
 */
import { envNames, SECTIONS, SETTINGS, type SettingName } from './settings.ts'

/** `usage` is the command; `note` a paragraph about its defaults. */
export function help(usage: string, note = ''): string {
  const rows = (names: readonly SettingName[]) =>
    names.map(name => `  ${flagOf(name).padEnd(WIDTH)}  ${SETTINGS[name].help}${after(defaultOf(name))}`)
  const sections = inSections((heading, names) => [`${heading}:`, ...rows(names)].join('\n'))
  return `Usage: ${usage}\n\n${note && `${note}\n\n`}${sections.join('\n\n')}

Each has an environment variable, ANYCABLE_<NAME> or HOTCABLE_<NAME>; .env.example lists them. A flag wins over a variable,
and a variable over a file of settings: anycable.toml in this folder or in /etc/anycable, or that of --config-path=FILE.
--ignore-config-path reads no file. --print-config prints the settings as such a file, with secrets, and starts nothing.\n`
}

export function envExample(): string {
  const row = (name: SettingName) => `# ${SETTINGS[name].help}\n# ${envNames(name)[0]}=${defaultOf(name)}\n`
  const sections = inSections((heading, names) => `# ── ${heading} ──\n\n${names.map(row).join('\n')}`)
  return `# Settings of the cable, as environment variables. Everything is optional; each commented line shows the default.
# Copy it to .env: \`npm start\` reads it. For other programs: set -a; . ./.env; set +a

${sections.join('\n')}`
}

export function settingsTables(): string {
  const row = (name: SettingName) =>
    `| \`--${name}\` | ${envNames(name).map(code).join(', ')} | ${defaultOf(name) && code(defaultOf(name))} | ${SETTINGS[name].help} |\n`
  const sections = inSections(
    (heading, names) =>
      `### ${heading}\n\n| flag | environment | default | |\n|---|---|---|---|\n${names.map(row).join('')}`,
  )
  return sections.join('\n')
}

const inSections = (print: (heading: string, names: readonly SettingName[]) => string): string[] =>
  Object.entries(SECTIONS).map(([heading, rows]) => print(heading, Object.keys(rows) as SettingName[]))

function defaultOf(name: SettingName): string {
  const value = SETTINGS[name].fallback
  const isUnset = value === '' || value === false || value === -1 || (Array.isArray(value) && value.length === 0)
  return isUnset ? '' : String(value)
}

const flagOf = (name: SettingName): string => `--${name}${SETTINGS[name].shape && `=${SETTINGS[name].shape}`}`
const after = (value: string): string => value && ` (${value})`
const code = (value: string): string => `\`${value}\``

const WIDTH = Math.max(...(Object.keys(SETTINGS) as SettingName[]).map(name => flagOf(name).length))
