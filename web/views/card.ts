/**
 * The one partial for a card: the page renders it, and so does every stream. Byte for byte the same in every language,
 * so that a card looks the same wherever it was rendered.
 */
import { html } from 'hono/html'
import type { Card } from '../board.ts'
import { titleOf } from './languages.ts'

export type Html = ReturnType<typeof html>

export const card = ({ id, body, author, backend, votes, createdAt }: Card): Html =>
  html`<li id="card_${id}" class="card" data-backend="${backend}"><p class="body">${body}</p><p class="by"><span class="author">${author}</span> <span class="badge" data-backend="${backend}">${titleOf(backend)}</span> <time datetime="${createdAt}">${createdAt.slice(11, 16)}</time></p><form action="cards/${id}/vote" method="post"><button class="vote" aria-label="Vote, ${votes} so far">▲ <b class="votes">${votes}</b></button></form><form action="cards/${id}/delete" method="post"><button class="delete" aria-label="Delete this card">✕</button></form></li>`
