/** The languages that have a Board, in the order of the links, and where each is mounted. */
import LIST from '../../backends/languages.json' with { type: 'json' }

export interface LanguageLink {
  readonly name: string
  readonly title: string
  readonly href: string
  /** Not every machine can run it. Every Board links to it; where it does not run, a page says so. */
  readonly isExtra: boolean
}

/** What every Board links to. */
export const LINKS: readonly LanguageLink[] = Object.entries<{ title: string; board?: object; extra?: boolean }>(LIST)
  .filter(([, row]) => row.board !== undefined)
  .map(([name, { title, extra = false }]) => ({
    ...{ name, title, isExtra: extra },
    href: name === 'typescript' ? '/' : `/${name}/`,
  }))

/** The Boards that run as separate processes behind ours. */
export const NEIGHBOURS = LINKS.filter(({ name }) => name !== 'typescript')

/** How a backend's name is written; one that we do not know is written as it came. */
export const titleOf = (name: string): string => TITLES.get(name) ?? name

const TITLES = new Map<string, string>(LINKS.map(({ name, title }) => [name, title]))
