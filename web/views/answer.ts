/** The page of an answer that streams in, and the partials that its streams share with it. */
import { html, raw } from 'hono/html'
import type { Answer } from '../model.ts'
import type { Html } from './card.ts'
import { plain } from './plain.ts'

export interface AnswerPageParts {
  /** Absent before the first question. */
  answer?: Answer
  /** Three `<meta>` tags, from the helper. */
  metaTags: string
  /** The `<turbo-cable-stream-source>` of the answer's stream, from the helper. */
  source: string
}

export const answerPage = ({ answer: shown, metaTags, source }: AnswerPageParts): Html => {
  // A refresh of this page keeps the field, because it has the same id; the page of the next answer has an empty one.
  const field = `question-${shown?.id ?? 'first'}`
  return plain({
    title: 'Answer',
    head: html`${raw(metaTags)}
<script type="module" src="/assets/hotcable.js" data-turbo-track="reload"></script>`,
    hasStatus: true,
    main: html`<main>
${raw(source)}
<form class="add" action="/answer" method="post">
<label for="${field}">Question</label>
<input id="${field}" name="question" dir="auto" required maxlength="200" autocomplete="off" placeholder="What do you want to know?" data-turbo-permanent>
<button>Ask</button>
</form>
${shown === undefined ? EMPTY : html`<h2 class="question" dir="auto">${shown.question}</h2>${answer(shown)}`}
</main>`,
  })
}

const EMPTY = html`<p class="empty">Ask a question. A small program in place of a language model answers it, word by word, and needs no key.</p>`

/** An answer that has ended has no `#answer_<id>_text`, so that a late update finds no target. */
export const answer = (shown: Answer): Html => {
  const { id, state } = shown
  const text =
    state === 'going'
      ? html`<div id="answer_${id}_text">${answerText(shown)}</div>`
      : html`<div>${answerText(shown)}</div>`
  return html`<article id="answer_${id}" class="answer" aria-live="polite" aria-busy="${String(state === 'going')}">${text}${state === 'cut' ? CUT : ''}</article>`
}

const CUT = html`<p class="cut">The answer ends here: the app was stopped. Ask again.</p>`

export const answerText = ({ text }: Answer): Html =>
  html`${text.split('\n\n').map(paragraph => html`<p dir="auto">${paragraph}</p>`)}`
