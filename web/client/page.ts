/** What the page does beside being live, for both clients. */
import type { config as Config } from '@hotwired/turbo'
import { watchCards } from './cards.ts'
import { watchForm } from './form.ts'
import { markFrame } from './frame.ts'

export function watchPage(config: typeof Config): void {
  markFrame()
  // A disabled button loses the focus, and with it whoever votes by keyboard.
  config.forms.submitter = 'aria-disabled'
  watchCards()
  watchForm()
}
