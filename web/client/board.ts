/**
 * The script of the Boards' pages, loaded after either client. The clients' bundles hold nothing of it, so that they do no
 * harm on a page of another app.
 */

import { watchCards } from './cards.ts'
import { keepFocus } from './focus.ts'
import { watchForm } from './form.ts'
import { markFrame } from './frame.ts'
import { watchResponses } from './responses.ts'
import { watchWindows } from './windows.ts'

markFrame()
// A disabled button would lose the focus.
if (window.Turbo !== undefined) window.Turbo.config.forms.submitter = 'aria-disabled'
keepFocus()
watchResponses()
watchForm()
watchCards()
watchWindows()
