import { readFileSync } from 'node:fs'

/** The commands below a heading of a Markdown file, such as `## Upgrades`, by block. */
export function commandsOf(file: string, heading: string): string[] {
  const [level] = heading.split(' ')
  return blocksOf(readFileSync(file, 'utf8').split(`\n${heading}\n`)[1]!.split(`\n${level} `)[0]!)
}

/** The commands in a text, by block. */
export const blocksOf = (text: string): string[] =>
  [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!)
