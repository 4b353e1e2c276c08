/**
 * An empty board invites the reader to open a second window, and says so when it sees one. The windows of one browser see each
 * other over a BroadcastChannel, because the cable gives presence to no Turbo stream.
 */
import { isFramed } from './frame.ts'

type Greeting = { readonly from: string; readonly says: 'hello' | 'here' | 'bye' }

const OTHER = 'Your second window is here. Write a card above: both show it at once.'
const FRAMED = 'No cards yet. Write one above: every frame shows it at once.'
/** The width of a second window, which should not cover the first one. */
const WIDTH = 420

const id = String(Math.random())
const others = new Set<string>()
let invitation: string | undefined

export function watchWindows(): void {
  enter()
  addEventListener('pageshow', ({ persisted }) => persisted && enter())
  addEventListener('click', openBeside)
}

/** Until the page is hidden: with an open channel it would not stay in the back-forward cache. */
function enter(): void {
  const channel = new BroadcastChannel('hotcable-windows')
  const say = (says: Greeting['says']) => channel.postMessage({ from: id, says } satisfies Greeting)
  channel.onmessage = ({ data: { from, says } }: MessageEvent<Greeting>) => {
    if (says === 'bye') others.delete(from)
    else others.add(from)
    if (says === 'hello') say('here')
    invite()
  }
  const leave = () => {
    say('bye')
    channel.close()
    others.clear()
  }
  addEventListener('pagehide', leave, { once: true })
  say('hello')
}

/** Writes the words into the page, which each refresh renders anew. */
export function invite(): void {
  const place = document.querySelector<HTMLElement>('.empty')
  if (place === null) return
  const words = isFramed() ? FRAMED : others.size > 0 ? OTHER : undefined
  // The server's words, which have a link.
  if (place.querySelector('a') !== null) invitation = place.innerHTML
  if (words !== undefined && place.textContent !== words) place.textContent = words
  if (words === undefined && invitation !== undefined && place.querySelector('a') === null) place.innerHTML = invitation
}

/** Beside this window, where both are in sight. A phone, and a reader that asks for a tab, get a tab from the link. */
function openBeside(event: MouseEvent): void {
  if (!(event.target instanceof Element) || event.target.closest('.empty a') === null) return
  if (event.ctrlKey || event.metaKey || event.shiftKey || screen.availWidth < 2 * WIDTH) return
  const at = `left=${screen.availWidth - WIDTH},top=0,width=${WIDTH},height=${screen.availHeight}`
  if (window.open(location.href, '', `popup,${at}`) !== null) event.preventDefault()
}
