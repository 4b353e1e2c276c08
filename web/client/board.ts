/**
 * What the Boards' pages do beside being live. A script for them alone, loaded after either client: the clients' bundles
 * hold nothing of it, so that they do no harm on a page of another app.
 */
import { watchCards } from './cards.ts'
import { keepFocus } from './focus.ts'
import { watchForm } from './form.ts'
import { markFrame } from './frame.ts'

markFrame()
// A disabled button loses the focus, and the keyboard its place.
if (window.Turbo !== undefined) window.Turbo.config.forms.submitter = 'aria-disabled'
keepFocus()
watchForm()
watchCards()
