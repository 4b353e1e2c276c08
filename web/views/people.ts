/** The page of the windows that are here. The list comes from clients, by the cable: web/client/people.ts fills it. */
import { html, raw } from 'hono/html'
import type { Html } from './card.ts'
import { plain } from './plain.ts'

export interface PeoplePageParts {
  /** Three `<meta>` tags, from the helper. */
  metaTags: string
  signedStreamName: string
  /** The beginning of the ids of this visitor's windows. */
  visitor: string
}

export const peoplePage = ({ metaTags, signedStreamName, visitor }: PeoplePageParts): Html =>
  plain({
    title: 'People',
    script: 'people',
    head: raw(metaTags),
    hasStatus: true,
    main: html`<main class="people">
<h2>Who is here</h2>
<form class="add">
<label for="name">Your name</label>
<input id="name" name="name" dir="auto" maxlength="40" autocomplete="nickname" placeholder="Your name">
<button>Show my name</button>
</form>
<p id="people-count" role="status"></p>
<ul id="people" data-signed-stream-name="${signedStreamName}" data-visitor="${visitor}"></ul>
<p class="soft">Close a window: it leaves this list at once. Cut its network: it stays for 15 seconds, because it may come back. The cable keeps the list, and no app has a part in it. Each name is what its window says, and the cable does not check it.</p>
</main>`,
  })
