/** All Boards side by side. Frames, so that nothing is shared but the wire: each has its own token and socket. */
import { html } from 'hono/html'
import type { Html } from './card.ts'
import type { LanguageLink } from './languages.ts'
import { plain } from './plain.ts'

/** `languages`: all but the extras that do not run here. */
export const compare = (languages: readonly LanguageLink[]): Html =>
  plain({
    title: 'Compare',
    main: html`<main class="compare">
<div class="intro"><h2>${heading(languages)}</h2><p>Each frame is a separate page, and a different backend renders it. Write in one and watch the others.</p></div>
<div class="frames">
${languages.map(
  ({
    name,
    title,
    href,
  }) => html`<figure data-backend="${name}"><figcaption><a class="badge" data-backend="${name}" href="${href}">${title}</a></figcaption><iframe src="${href}" title="The Board rendered by ${title}"></iframe></figure>
`,
)}</div>
</main>`,
  })

const NUMBERS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten']

function heading(languages: readonly LanguageLink[]): string {
  const usual = languages.filter(({ isExtra }) => !isExtra).length
  const extras = languages.filter(({ isExtra }) => isExtra).map(({ title }) => ` and ${title}`)
  return `One Board, ${NUMBERS[usual] ?? usual} languages${extras.join('')}`
}
