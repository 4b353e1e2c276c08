/** The page /debug. All that it shows came from clients, backends or the clipboard: the templates escape it. */
import { html } from 'hono/html'
import type { Html } from './card.ts'
import { plain } from './plain.ts'
import { rowId } from './row-id.ts'

/** As POST /_broadcast/debug answers. */
export interface Finding {
  readonly kind: string
  readonly facts: readonly (readonly [name: string, value: string])[]
  readonly faults: readonly { readonly code: string; readonly isDoubtful: boolean; readonly fix: string }[]
  readonly parts: readonly Finding[]
}

/** As GET /_broadcast/debug answers. Times are Unix ms. */
export interface Live {
  readonly position: string
  readonly sessions: { readonly count: number; readonly newest: readonly LiveSession[] }
  readonly streams: { readonly count: number; readonly newest: readonly LiveStream[] }
  readonly refusals: readonly {
    readonly at: number
    readonly code: string
    readonly text: string
    readonly sid?: string
  }[]
}

interface LiveSession {
  readonly sid: string
  readonly identity: string
  readonly protocol: string
  readonly pending: number
  readonly subscriptions: readonly {
    readonly streams: readonly string[]
    readonly kind: string
    readonly state: string
    readonly position?: string
  }[]
}

interface LiveStream {
  readonly stream: string
  readonly listeners: number
  readonly similar?: string
  readonly messages: readonly {
    readonly at: number
    readonly message: string
    readonly isHeard: boolean
    readonly isTransient: boolean
  }[]
}

export interface DebugParts {
  /** The pasted text. */
  text: string
  found: Html | ''
  live: Html
}

export const debugPage = ({ text, found, live }: DebugParts): Html =>
  plain({
    title: 'Debug',
    script: 'debug',
    main: html`<main class="debug">
<form class="paste" action="/debug" method="post" enctype="multipart/form-data">
<h2><label for="pasted">What is this?</label></h2>
<p id="pasted-help">Paste a token, a signed stream name, an identifier, a URL, a code, or the HTML of a whole page. The cable decodes it, says which key signed it, and what is wrong. Nothing is stored or sent on.</p>
<textarea id="pasted" name="text" rows="5" spellcheck="false" autocomplete="off" autocapitalize="off" aria-describedby="pasted-help">
${text}</textarea>
<button>Decode</button>
</form>
<div id="findings" role="status">${found}</div>
<label id="updating" hidden><input type="checkbox" checked> Update the lists below</label>
<div id="live">${live}</div>
</main>`,
  })

/** Stands in place of an answer of the cable. */
export const failure = (text: string): Html => html`<p class="failure">${text}</p>`

export const findings = (found: readonly Finding[]): Html =>
  found.length === 0
    ? html`<p class="failure">Nothing of the cable is in this text.</p>`
    : html`${verdict(found)}${found.map(finding)}`

function verdict(found: readonly Finding[]): Html {
  const faults = found.flatMap(faultsOf)
  const wrong = faults.filter(({ isDoubtful }) => !isDoubtful).length
  if (wrong > 0) return html`<p class="verdict" data-is="wrong">${count(wrong, 'fault')}</p>`
  if (faults.length > 0) return html`<p class="verdict" data-is="doubtful">${count(faults.length, 'doubt')}</p>`
  return html`<p class="verdict" data-is="good">No fault found</p>`
}

const faultsOf = ({ faults, parts }: Finding): Finding['faults'] => [...faults, ...parts.flatMap(faultsOf)]

const finding = ({ kind, facts, faults, parts }: Finding): Html => html`<section class="finding">
<h3>${kind}</h3>
${facts.length === 0 ? '' : html`<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd><bdi>${value}</bdi></dd></div>`)}</dl>`}
${faults.length === 0 ? '' : html`<ul>${faults.map(({ code, isDoubtful, fix }) => html`<li data-is="${isDoubtful ? 'doubtful' : 'wrong'}"><code>${code}</code> <bdi>${fix}</bdi></li>`)}</ul>`}
${parts.map(finding)}
</section>`

export function live({ position, sessions, streams, refusals }: Live): Html {
  const unheard = streams.newest.filter(({ messages }) => messages[0]?.isHeard === false)
  return html`<p class="now">Position <code>${position}</code> · ${count(sessions.count, 'session')} · ${count(streams.count, 'stream')}</p>
${
  unheard.length === 0
    ? ''
    : html`<section class="unheard"><h2>Broadcast while nobody listened</h2><ul class="rows">${unheard.map(silence)}</ul></section>`
}
${list('Streams', streams.count, streams.newest.map(stream), 'No page listens, and nothing was broadcast.')}
${list('Sessions', sessions.count, sessions.newest.map(session), 'No client is connected. Open a Board in another window.')}
${list('Refusals and gaps', refusals.length, refusals.map(refusal), 'Nothing was refused.')}`
}

const list = (title: string, total: number, rows: readonly Html[], none: string): Html => html`<section>
<h2>${title}</h2>
${rows.length === 0 ? html`<p class="none">${none}</p>` : html`<ul class="rows">${rows}</ul>`}
${rows.length < total ? html`<p class="none">and ${total - rows.length} more</p>` : ''}
</section>`

const silence = ({ stream, similar, messages }: LiveStream): Html =>
  html`<li><bdi class="name">${stream}</bdi> ${time(messages[0]!.at)}${similar === undefined ? '' : html` <span>Clients listen to <bdi class="name">${similar}</bdi>: is it the one you mean?</span>`}</li>`

const stream = ({ stream, listeners, messages }: LiveStream): Html =>
  html`<li><details id="${rowId('stream', stream)}"><summary><bdi class="name">${stream}</bdi> <span>${count(listeners, 'listener')}</span> ${messages.length === 0 ? '' : time(messages[0]!.at)}</summary>
${messages.length === 0 ? html`<p class="none">No message since the cable started.</p>` : html`<ol>${messages.map(message)}</ol>`}</details></li>`

const message = ({ at, message, isHeard, isTransient }: LiveStream['messages'][number]): Html =>
  html`<li>${time(at)}${isHeard ? '' : html` <span class="mark">nobody listened</span>`}${isTransient ? html` <span class="mark">transient</span>` : ''}<pre dir="auto" tabindex="0">${textOf(message)}</pre></li>`

const session = ({ sid, identity, protocol, pending, subscriptions }: LiveSession): Html =>
  html`<li><code>${sid}</code> <bdi class="name">${identity}</bdi> <span>${PROTOCOLS.get(protocol) ?? protocol}</span>${pending === 0 ? '' : html` <span class="mark">${pending} bytes wait</span>`}
${subscriptions.length === 0 ? html` <span class="mark">listens to no stream</span>` : html`<ul>${subscriptions.map(subscription)}</ul>`}</li>`

const subscription = ({ streams, kind, state, position }: LiveSession['subscriptions'][number]): Html =>
  html`<li><bdi class="name">${streams.join(', ')}</bdi> <span>${kind}, ${state}${position === undefined ? '' : html`, from <code>${position}</code>`}</span></li>`

const PROTOCOLS = new Map([
  ['', 'server-sent events'],
  ['actioncable-v1-json', 'WebSocket'],
  ['actioncable-v1-ext-json', 'WebSocket, extended'],
])

const refusal = ({ at, code, text, sid }: Live['refusals'][number]): Html =>
  html`<li>${time(at)} <code>${code}</code> <bdi>${text}</bdi>${sid === undefined ? '' : html` <span>session <code>${sid}</code></span>`}</li>`

/** In the time zone of this server, which is the developer's machine. */
function time(at: number): Html {
  const date = new Date(at)
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map(part => String(part).padStart(2, '0'))
  return html`<time datetime="${date.toISOString()}">${parts.join(':')}</time>`
}

/** The text of a message, which is JSON, or its start. */
function textOf(message: string): string {
  try {
    const value: unknown = JSON.parse(message)
    return typeof value === 'string' ? value : message
  } catch {
    return message
  }
}

const count = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? '' : 's'}`
