/** The form: empties what was sent, remembers the name, and says why something was not taken. */

import { expectCard } from './cards.ts'

const AUTHOR = 'hotcable-author'

export function watchForm(): void {
  addEventListener('turbo:load', recall)
  addEventListener('turbo:submit-start', ({ target }) => {
    if (target instanceof HTMLFormElement && target.matches('form.add')) expectCard(field(target, 'body').value.trim())
  })
  addEventListener('turbo:submit-end', event => {
    const { target, detail } = event as CustomEvent<SubmitEnd>
    if (target instanceof HTMLFormElement && target.matches('form.add')) void submitted(target, detail)
  })
  addEventListener('input', ({ target }) => {
    if (target instanceof HTMLInputElement) target.setCustomValidity('')
  })
  recall()
}

interface SubmitEnd {
  success?: boolean
  fetchResponse?: { response: Response }
}

async function submitted(form: HTMLFormElement, { success, fetchResponse }: SubmitEnd): Promise<void> {
  const body = field(form, 'body')
  if (success) {
    body.value = ''
    remember(field(form, 'author').value)
    return
  }
  // Turbo shows pages and drops words; what was typed stays, and the words go where it was typed.
  body.setCustomValidity((await words(fetchResponse?.response)) || 'Not sent: the Board did not answer. Try again.')
  body.reportValidity()
}

const field = (form: HTMLFormElement, name: string) => form.elements.namedItem(name) as HTMLInputElement

async function words(response: Response | undefined): Promise<string> {
  if (!response?.headers.get('content-type')?.startsWith('text/plain')) return ''
  return (await response.clone().text()).trim()
}

// Storage may be forbidden, and then a name is simply not remembered.
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
