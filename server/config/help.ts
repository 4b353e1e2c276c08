/**
 * The settings, printed: for --help and for .env.example. The README's table is made from the same.
 */
import { envNames, SETTINGS, type SettingName } from './settings.ts'

const NAMES = Object.keys(SETTINGS) as SettingName[]

const defaultOf = (name: SettingName): string => {
  const value = SETTINGS[name].fallback
  return value === '' || value === false || value === -1 || (Array.isArray(value) && value.length === 0)
    ? ''
    : String(value)
}

export function help(): string {
  const rows = NAMES.map(name => {
    const { shape, help } = SETTINGS[name]
    return [`--${name}${shape && `=${shape}`}`, help + (defaultOf(name) && ` (${defaultOf(name)})`)] as const
  })
  const width = Math.max(...rows.map(([left]) => left.length))
  return `Usage: npm run cable -- [settings]\n\n${rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')}

Each has an environment variable, ANYCABLE_<NAME> or HOTCABLE_<NAME>; .env.example lists them. A flag wins.\n`
}

export const envExample = (): string =>
  `# Settings of the cable, as environment variables. Everything is optional; what is commented out shows the default.
# Load it with: npx node --env-file=.env server/main.ts (npx runs the Node that npm installed; your own must be 22.18 or newer)

${NAMES.map(name => `# ${SETTINGS[name].help}\n# ${envNames(name)[0]}=${defaultOf(name)}\n`).join('\n')}`

export const settingsTable = (): string =>
  `| flag | environment | default | |\n|---|---|---|---|\n${NAMES.map(
    name =>
      `| \`--${name}\` | ${envNames(name)
        .map(env => `\`${env}\``)
        .join(', ')} | ${defaultOf(name) && `\`${defaultOf(name)}\``} | ${SETTINGS[name].help} |`,
  ).join('\n')}\n`
