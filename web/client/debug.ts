/** The script of /debug: decodes while the developer types, and keeps the lists up to date. The page works without it. */
import { markFrame } from './frame.ts'

const UPDATE_MS = 2000
const TYPED_MS = 200

const form = document.querySelector<HTMLFormElement>('form.paste')!
const found = document.querySelector('#findings')!
const live = document.querySelector('#live')!
const updating = document.querySelector<HTMLLabelElement>('#updating')!

markFrame()
watchForm()
updating.hidden = false
setInterval(update, UPDATE_MS)

function watchForm(): void {
  let typed: ReturnType<typeof setTimeout> | undefined
  let asked = 0
  const decode = async () => {
    clearTimeout(typed)
    const turn = ++asked
    const body = new FormData(form)
    const answer = body.get('text') === '' ? '' : await fetchHtml('/debug/findings', { method: 'POST', body })
    if (turn === asked) found.innerHTML = answer
  }
  form.addEventListener('submit', event => {
    event.preventDefault()
    void decode()
  })
  form.addEventListener('input', () => {
    clearTimeout(typed)
    typed = setTimeout(decode, TYPED_MS)
  })
}

async function update(): Promise<void> {
  if (document.hidden || !updating.querySelector('input')!.checked || isReading()) return
  const next = document.createElement('div')
  next.innerHTML = await fetchHtml('/debug/live')
  const open = [...live.querySelectorAll('details[open]')].map(({ id }) => id)
  for (const details of next.querySelectorAll('details')) details.open = open.includes(details.id)
  if (next.innerHTML === live.innerHTML || isReading()) return
  const focused = document.activeElement?.closest('#live details')?.id
  live.replaceChildren(...next.childNodes)
  if (focused) document.getElementById(focused)?.querySelector('summary')?.focus()
}

/** New lists would take away the text that is selected, or that is scrolled by keyboard. */
const isReading = (): boolean => {
  const selection = getSelection()
  const isSelected = selection !== null && !selection.isCollapsed && live.contains(selection.anchorNode)
  return isSelected || document.activeElement?.closest('#live pre') != null
}

/** The server escapes what came from others. */
async function fetchHtml(url: string, init?: RequestInit): Promise<string> {
  const answer = await fetch(url, init).catch(() => undefined)
  const isHtml = answer?.headers.get('content-type')?.startsWith('text/html')
  return answer && isHtml ? await answer.text() : '<p class="failure">The Board does not answer.</p>'
}
