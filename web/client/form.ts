/** The form: empties the field once it was sent, remembers the name, and says why the Board refused a card. */

import { expectCard } from './own.ts'

const AUTHOR = 'hotcable-author'

/** The form that was sent last. */
let way: { submission: unknown; body: string; isLost: boolean; fail: () => void } | undefined

export function watchForm(): void {
  addEventListener('turbo:load', recall)
  addEventListener('turbo:submit-start', event => {
    const { target, detail } = event as CustomEvent<Submit>
    if (!isAdd(target)) return
    const [body, author] = [field(target, 'body').value, field(target, 'author').value]
    if (way?.isLost) way.fail()
    const submission = detail.formSubmission
    const appeared = () => {
      if (way?.submission === submission) accept(target, body)
    }
    way = { submission, body, isLost: false, fail: expectCard(body, author, appeared) }
  })
  addEventListener('turbo:submit-end', event => {
    const { target, detail } = event as CustomEvent<Submit>
    if (isAdd(target)) void submitted(target, detail)
    else if (target instanceof Element) target.closest('details')?.removeAttribute('open')
  })
  addEventListener('input', ({ target }) => {
    if (target instanceof HTMLInputElement) target.setCustomValidity('')
  })
  // A field that is not valid would keep the browser from sending the form again. (Enter clicks too.)
  addEventListener('click', ({ target }) => {
    const form = target instanceof HTMLButtonElement ? target.form : null
    if (isAdd(form)) field(form, 'body').setCustomValidity('')
  })
  recall()
}

interface Submit {
  formSubmission: unknown
  success?: boolean
  fetchResponse?: { response: Response }
}

const isAdd = (target: EventTarget | null): target is HTMLFormElement =>
  target instanceof HTMLFormElement && target.matches('form.add')

async function submitted(form: HTMLFormElement, { formSubmission, success, fetchResponse }: Submit): Promise<void> {
  // Turbo cancels a form that is not answered when the next one is sent.
  if (way === undefined || way.submission !== formSubmission) return
  if (success) return accept(form, way.body)
  way.isLost = fetchResponse === undefined
  if (way.isLost) return complain(form, 'The Board did not answer. If your card does not appear, try again.')
  way.fail()
  // Turbo does not show an answer in plain text. Show it at the field, which keeps its text.
  complain(form, (await words(fetchResponse?.response)) || 'Not sent: the Board failed. Try again.')
}

function accept(form: HTMLFormElement, sent: string): void {
  const body = field(form, 'body')
  body.setCustomValidity('')
  // Text that was typed meanwhile is the next card.
  if (body.value === sent) body.value = ''
  remember(field(form, 'author').value)
}

function complain(form: HTMLFormElement, words: string): void {
  field(form, 'body').setCustomValidity(words)
  field(form, 'body').reportValidity()
}

const field = (form: HTMLFormElement, name: string) => form.elements.namedItem(name) as HTMLInputElement

async function words(response: Response | undefined): Promise<string> {
  if (!response?.headers.get('content-type')?.startsWith('text/plain')) return ''
  return (await response.clone().text()).trim()
}

// The browser may forbid storage; then the name is not remembered.
function remember(author: string): void {
  try {
    localStorage.setItem(AUTHOR, author)
  } catch {}
}

function recall(): void {
  const author = document.querySelector<HTMLInputElement>('#card-author')
  if (author === null || author.value !== '') return
  try {
    author.value = localStorage.getItem(AUTHOR) ?? ''
  } catch {}
}
