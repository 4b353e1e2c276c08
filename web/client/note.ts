/** Says below the form what to do about a status that is not live, because only a mouse can show a title. */

const WRITE = 'You can still write: your cards are saved, and every page shows them once it is connected again.'

export function explain(): void {
  const note = document.getElementById('board-note')
  const status = document.querySelector<HTMLElement>('#cable-status:not([hidden])')
  if (note === null) return
  const words = status === null ? '' : wordsFor(status)
  if (note.textContent !== words) note.textContent = words
}

function wordsFor({ title, dataset: { state } }: HTMLElement): string {
  if (state === 'offline' && !navigator.onLine)
    return 'This device has no network. What you type stays here until you can send it.'
  if (state === 'offline') return `The cable does not answer. ${WRITE}`
  if (state === 'refused')
    return `${title === '' ? 'The cable refused this page' : capitalized(title)}. You can still write; reload to see what others wrote.`
  return title
}

const capitalized = (fix: string): string => fix.slice(0, 1).toUpperCase() + fix.slice(1).replace(/\.$/, '')
