/** The languages that have a Board, in the order of the links, and where each is mounted. */
export const LANGUAGES = [
  { name: 'typescript', title: 'TypeScript', href: '/' },
  { name: 'python', title: 'Python', href: '/python/' },
  { name: 'php', title: 'PHP', href: '/php/' },
  { name: 'ruby', title: 'Ruby', href: '/ruby/' },
] as const

/** Rails is an extra: it takes gems that not everyone has, so only those pages that know it is running link to it. */
export const RAILS = { name: 'rails', title: 'Rails', href: '/rails/' } as const

export type Language = (typeof LANGUAGES)[number] | typeof RAILS

/** Those that run as a process of their own behind ours. */
export type Neighbour = Exclude<Language['name'], 'typescript'>

/** How a backend's name is written; one that we do not know is written as it came. */
export const titleOf = (name: string): string => TITLES.get(name) ?? name

const TITLES = new Map<string, string>([...LANGUAGES, RAILS].map(({ name, title }) => [name, title]))
