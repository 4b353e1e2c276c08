/** The languages that have a Board, in the order of the links, and where each is mounted. */
export const LANGUAGES = [
  { name: 'typescript', title: 'TypeScript', href: '/' },
  { name: 'python', title: 'Python', href: '/python/' },
  { name: 'php', title: 'PHP', href: '/php/' },
  { name: 'ruby', title: 'Ruby', href: '/ruby/' },
] as const

/** An extra: it takes gems that not everyone has. Every page links to it; where it does not run, a page says so. */
export const RAILS = { name: 'rails', title: 'Rails', href: '/rails/' } as const

/** What every page links to. */
export const LINKS = [...LANGUAGES, RAILS] as const

export type Language = (typeof LINKS)[number]

/** Those that run as a process of their own behind ours. */
export type Neighbour = Exclude<Language['name'], 'typescript'>

/** How a backend's name is written; one that we do not know is written as it came. */
export const titleOf = (name: string): string => TITLES.get(name) ?? name

const TITLES = new Map<string, string>(LINKS.map(({ name, title }) => [name, title]))
