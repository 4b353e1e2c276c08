/** Pages of our own, beside the Board: the same head and header, no socket. */
import { html, raw } from 'hono/html'
import type { Html } from './card.ts'
import { LINKS, titleOf } from './languages.ts'

interface Plain {
  title: string
  /** Which language's colours it wears. */
  backend?: string
  /** A script under /assets. */
  script?: string
  main: Html
}

export const plain = ({ title, backend = 'typescript', script, main }: Plain): Html => html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Hotcable</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/board.css">
${script === undefined ? '' : html`<script type="module" src="/assets/${script}.js"></script>`}
</head>
<body data-backend="${backend}">
<header>
<h1><a href="/">Hotcable</a></h1>
<nav aria-label="The Board in each language">
${LINKS.map(
  ({ name, title, href }) => html`<a href="${href}" data-backend="${name}">${title}</a>
`,
)}<a href="/compare"${raw(title === 'Compare' ? ' aria-current="page"' : '')}>Compare</a>
</nav>
</header>
${main}
</body>
</html>
`

/** What a visitor sees who asks for nothing that is here. */
export const notFound = (): Html =>
  plain({
    title: 'Not here',
    main: html`<main class="notice"><h2>There is nothing here</h2><p>The Board is <a href="/">over there</a>.</p></main>`,
  })

/**
 * What a visitor sees while a language's Board does not run here (`setUp` is false: its interpreter is missing) or does
 * not answer. The script comes back by itself when the Board does.
 */
export const notRunning = (name: string, setUp: boolean): Html => {
  const title = titleOf(name)
  return plain({
    title,
    backend: name,
    script: 'retry',
    main: setUp
      ? html`<main class="notice" data-retry><h2>${title} is not answering</h2><p>It is probably starting. This page comes back by itself.</p></main>`
      : html`<main class="notice" data-retry><h2>${title} is not running here</h2><p><code>npm run setup</code> installs what it needs; then start again with <code>npm start</code>.</p><p>The other Boards do not miss it.</p></main>`,
  })
}
