/** All four Boards side by side. Frames, so that nothing is shared but the wire: each has its own token and socket. */
import { html } from 'hono/html'
import type { Html } from './card.ts'
import { LANGUAGES } from './languages.ts'
import { plain } from './plain.ts'

export const compare = (): Html =>
  plain({
    title: 'Compare',
    main: html`<main class="compare">
<div class="intro"><h2>One Board, four languages</h2><p>Each frame is a page of its own, rendered by its own backend. Write in one and watch the others.</p></div>
<div class="frames">
${LANGUAGES.map(
  ({
    name,
    title,
    href,
  }) => html`<figure data-backend="${name}"><figcaption><a class="badge" data-backend="${name}" href="${href}">${title}</a></figcaption><iframe src="${href}" title="The Board rendered by ${title}"></iframe></figure>
`,
)}</div>
</main>`,
  })
