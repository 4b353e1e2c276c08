/** Pages beside the Board: the same head and header. */
import { html, raw } from 'hono/html'
import type { Html } from './card.ts'
import { LINKS, titleOf } from './languages.ts'

interface Plain {
  title: string
  /** The language that gives its colours. */
  backend?: string
  /** A script under /assets. */
  script?: string
  /** More for the head: what a page with a stream needs. */
  head?: Html
  /** Shows how live the page is. */
  hasStatus?: boolean
  /** Links to the Board in each language. */
  hasLanguages?: boolean
  main: Html
}

export const plain = ({
  title,
  backend = 'typescript',
  script,
  head,
  hasStatus = false,
  hasLanguages = false,
  main,
}: Plain): Html => html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Hotcable</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/board.css">
${script === undefined ? '' : html`<script type="module" src="/assets/${script}.js"></script>`}
${head ?? ''}
</head>
<body data-backend="${backend}">
<header>
<h1><a href="/">Hotcable</a></h1>
${hasStatus ? STATUS : ''}
<nav class="demo" aria-label="Demo">
<a href="/">Board</a>
${DEMO.map(
  ([href, name]) => html`<a href="${href}"${current(name, title)}>${name}</a>
`,
)}</nav>
${hasLanguages ? LANGUAGES : ''}
</header>
${main}
</body>
</html>
`

const STATUS = html`<hotcable-status id="cable-status" role="status" data-turbo-permanent><span>offline</span></hotcable-status>`

const DEMO = [
  ['/people', 'People'],
  ['/answer', 'Answer'],
  ['/compare', 'Compare'],
] as const

const LANGUAGES = html`<nav class="languages" aria-label="The Board in each language">
${LINKS.map(
  ({ name, title, href }) => html`<a href="${href}" data-backend="${name}">${title}</a>
`,
)}</nav>`

const current = (link: string, title: string) => raw(link === title ? ' aria-current="page"' : '')

/** For a path that does not exist. */
export const notFound = (): Html =>
  plain({
    title: 'Not here',
    hasLanguages: true,
    main: html`<main class="notice"><h2>There is nothing here</h2><p><a href="/">Go to the Board</a>.</p></main>`,
  })

/**
 * For a Board that does not run here (`setUp` is false: its interpreter is missing) or does not answer. The script loads
 * the Board once it answers.
 */
export const notRunning = (name: string, setUp: boolean): Html => {
  const title = titleOf(name)
  return plain({
    title,
    backend: name,
    script: 'retry',
    hasLanguages: true,
    main: setUp
      ? html`<main class="notice" data-retry><h2>${title} is not answering</h2><p>It is probably starting. This page loads it once it answers.</p></main>`
      : html`<main class="notice" data-retry><h2>${title} is not running here</h2><p><code>npm run setup</code> installs what it needs; then start again with <code>npm start</code>.</p><p>The other Boards work without it.</p></main>`,
  })
}
