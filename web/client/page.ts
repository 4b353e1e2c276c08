/** What the page does beside being live, for both clients. */
import { config } from '@hotwired/turbo'
import { watchCards } from './cards.ts'
import { watchForm } from './form.ts'

export function watchPage(): void {
  // In a frame of /compare the frame is the headline: see board.css.
  if (window.parent !== window) document.documentElement.dataset.framed = ''
  // A disabled button loses the focus, and with it whoever votes by keyboard.
  config.forms.submitter = 'aria-disabled'
  watchCards()
  watchForm()
}
