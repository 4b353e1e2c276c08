/**
 * The flags of AnyCable 1.6, and what each does here: the table in docs/anycable.md.
 */
import { ANYCABLE_FLAGS } from './anycable-flags.ts'
import { SETTINGS, type SettingName } from './settings.ts'

/** Flags about the file of settings, which have no variable. */
const ABOUT_FILES: Readonly<Record<string, string>> = {
  'config-path': 'File of settings (TOML). Default: anycable.toml in this folder, or in /etc/anycable.',
  'ignore-config-path': 'Read no file of settings.',
  'print-config': 'Print the settings that are not the default as such a file, with secrets, and exit.',
}

export function anycableTable(): string {
  const works = (Object.keys(SETTINGS) as SettingName[])
    .filter(name => SETTINGS[name].prefix === 'ANYCABLE')
    .map((name): [string, string] => [name, SETTINGS[name].help])
  const rows = [
    ...works.map(([name, help]) => [name, 'works', help]),
    ...Object.entries(ABOUT_FILES).map(([name, help]) => [name, 'works', help]),
    ...[...ANYCABLE_FLAGS].map(([name, { how, why }]) => [name, how, `${why[0]!.toUpperCase()}${why.slice(1)}.`]),
  ]
  const lines = rows.map(([name, how, help]) => `| \`--${name}\` | ${how} | ${help} |\n`)
  return `| flag | here | |\n|---|---|---|\n${lines.join('')}`
}
