/**
 * The page as the contract prints it: the two HTML blocks of README.md, with their words in capitals replaced. So the
 * Boards must match the page that people read, and not a copy of it.
 *
 * Languages may escape an apostrophe differently and indent as they like; `alike` removes both differences.
 */
import { readFileSync } from 'node:fs'
import { BOARDS } from './languages.ts'

export interface CardRow {
  id: number
  body: string
  author: string
  backend: string
  votes: number
  created_at: string
}

export interface PageValues {
  backend: string
  version: string
  client: 'anycable' | 'rails'
  metaTags: string
  streamFrom: string
  cards: readonly CardRow[]
}

export const NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.values(BOARDS).map(({ name, title }) => [name, title]),
)

const BLOCKS = [
  ...readFileSync(new URL('../README.md', import.meta.url), 'utf8').matchAll(/```html\n([\s\S]*?)```/g),
].map(([, block]) => block!)
const PAGE = BLOCKS.find(block => block.startsWith('<!DOCTYPE html>'))!
const CARD = BLOCKS.find(block => block.startsWith('<li '))!

export function page({ backend, version, client, metaTags, streamFrom, cards }: PageValues): string {
  const html = PAGE.replaceAll('ACCENT', backend).replaceAll('NAME', NAMES[backend]!)
  return alike(
    fill(html, {
      VERSION: version,
      CLIENT: client === 'anycable' ? 'hotcable' : backend === 'rails' ? 'rails-gem' : 'rails',
      META_TAGS: metaTags,
      STREAM_FROM: streamFrom,
      LINKS: Object.keys(NAMES)
        .map(name => link(name, name === backend))
        .join('\n'),
      CARDS: cards.map(card).join('\n'),
      COUNT: cards.length === 1 ? '1 card' : `${cards.length} cards`,
    }),
  )
}

const link = (name: string, isCurrent: boolean): string =>
  `<a href="${name === 'typescript' ? '/' : `/${name}/`}" data-backend="${name}"${isCurrent ? ' aria-current="page"' : ''}>${NAMES[name]}</a>`

export const card = ({ id, body, author, backend, votes, created_at }: CardRow): string =>
  fill(CARD.trim(), {
    ACCENT: backend,
    NAME: NAMES[backend]!,
    BODY: escaped(body),
    AUTHOR: escaped(author),
    VOTES: String(votes),
    CREATED_AT: created_at,
    DAY: created_at.slice(0, 10),
    'HH:MM': created_at.slice(11, 16),
    ID: String(id),
  })

/** Removes differences that do not matter: white space at the start of a line, empty lines, escaped apostrophes, the end of <meta>. */
export const alike = (html: string): string =>
  html
    .replaceAll(/&#x27;|&#0?39;|&apos;/g, '&#39;')
    .replaceAll(/(<meta [^>]*") \/>/g, '$1>')
    .split('\n')
    .map(line => line.trimStart())
    .filter(line => line !== '')
    .join('\n')

/** Replaces all words in one pass, so that no replacement is searched for words. */
const fill = (html: string, words: Record<string, string>): string =>
  html.replaceAll(new RegExp(`(?<![A-Z])(${Object.keys(words).join('|')})(?![A-Z])`, 'g'), word => words[word]!)

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = (typed: string): string => typed.replaceAll(/[&<>"']/g, mark => ESCAPES[mark]!)
