/**
 * The one partial for a card: the page renders it, and so does every stream. Every language renders the same bytes, so that
 * a card looks the same wherever it was rendered.
 */
import { html } from 'hono/html'
import type { Card } from '../board.ts'
import { titleOf } from './languages.ts'

export type Html = ReturnType<typeof html>

export const card = ({ id, body, author, backend, votes, createdAt }: Card): Html =>
  html`<li id="card_${id}" class="card" data-backend="${backend}"><p class="body" dir="auto">${body}</p><p class="by"><span class="author" dir="auto">${author}</span> <span class="badge" data-backend="${backend}">${titleOf(backend)}</span> <time datetime="${createdAt}">${createdAt.slice(0, 10)} ${createdAt.slice(11, 16)} UTC</time></p><form action="cards/${id}/vote" method="post"><button class="vote" aria-label="Vote, ${votes} so far">▲ <b class="votes">${votes}</b></button></form><details class="delete"><summary aria-label="Delete this card">✕</summary><form action="cards/${id}/delete" method="post"><button>Delete</button></form></details></li>`
