/** The Board's page, as the contract in backends/README.md spells it; the same in every language. */
import { html, raw } from 'hono/html'
import type { Card } from '../board.ts'
import type { ClientScript } from '../visitor.ts'
import { card, type Html } from './card.ts'
import { type LanguageLink, LINKS } from './languages.ts'

export interface PageParts {
  cards: readonly Card[]
  /** Three `<meta>` tags, from the helper. */
  metaTags: string
  /** The `<turbo-cable-stream-source>`, from the helper. */
  source: string
  client: ClientScript
}

export const page = ({ cards, metaTags, source, client }: PageParts): Html => html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Board · TypeScript</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/board.css">
<meta name="turbo-refresh-method" content="morph">
<meta name="turbo-refresh-scroll" content="preserve">
${raw(metaTags)}
<script type="module" src="/assets/${client === 'rails' ? 'rails' : 'hotcable'}.js" data-turbo-track="reload"></script>
<script type="module" src="/assets/board.js" data-turbo-track="reload"></script>
</head>
<body data-backend="typescript">
<header>
<h1><a href="/">Hotcable</a></h1>
<hotcable-status id="cable-status" role="status" data-turbo-permanent><span>offline</span></hotcable-status>
<nav class="demo" aria-label="Demo">
<a href="/" aria-current="true">Board</a>
<a href="/people">People</a>
<a href="/answer">Answer</a>
<a href="/compare">Compare</a>
</nav>
<p class="rendered">Rendered by <span class="badge" data-backend="typescript">TypeScript</span> <small>Node ${process.versions.node}</small></p>
<nav class="languages" aria-label="The same Board in other languages">
${LINKS.map(link)}</nav>
</header>
<main>
${raw(source)}
<form class="add" action="cards" method="post">
<label for="card-body">Card</label>
<input id="card-body" name="body" dir="auto" required maxlength="500" autocomplete="off" placeholder="What should everyone see?" data-turbo-permanent>
<label for="card-author">Name</label>
<input id="card-author" name="author" dir="auto" maxlength="40" autocomplete="nickname" placeholder="Your name" data-turbo-permanent>
<button>Add</button>
</form>
<p id="board-note" role="status" data-turbo-permanent></p>
<ol id="cards">
${cards.map(each => [card(each), raw('\n')])}</ol>
<p id="board-news" role="status" data-turbo-permanent></p>
<p class="empty">No cards yet. <a href="" target="_blank">Open this page in a second window</a>, then write a card above: both show it at once.</p>
<footer>
<p><span id="card-count">${count(cards.length)}</span> on the board</p>
<details class="clear"><summary>Clear the board</summary><form action="clear" method="post"><button>Delete all cards</button></form></details>
</footer>
</main>
</body>
</html>
`

const link = ({
  name,
  title,
  href,
}: LanguageLink): Html => html`<a href="${href}" data-backend="${name}"${raw(name === 'typescript' ? ' aria-current="page"' : '')}>${title}</a>
`

const count = (cards: number): string => (cards === 1 ? '1 card' : `${cards} cards`)
