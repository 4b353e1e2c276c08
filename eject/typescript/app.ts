/**
 * A page that is live: a note that one visitor adds appears on the open pages of all others. It runs under `npm start`.
 *
 * README.md says why the steps are in this order.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { getCookie, setCookie } from 'hono/cookie'
import { html, raw } from 'hono/html'
import {
  BroadcastFailed,
  broadcast,
  metaTags,
  position,
  scriptTag,
  streamFrom,
  turboStream,
} from '../../backends/typescript/hotcable.ts'

interface Note {
  id: number
  body: string
}

const { HOST = '127.0.0.1', PORT = '3000', DATABASE_FILE = 'data/app.sqlite3' } = process.env
mkdirSync(dirname(DATABASE_FILE), { recursive: true })
const db = new DatabaseSync(DATABASE_FILE)
db.exec('CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL)')

const app = new Hono()

app.get('/', async c => {
  const known = getCookie(c, 'visitor') ?? ''
  const visitor = /^[0-9a-f]{16}$/.test(known) ? known : randomBytes(8).toString('hex')
  const at = await position('notes') // 1. the position
  const notes = db.prepare('SELECT id, body FROM notes ORDER BY id').all() as unknown as Note[] // 2. the query
  setCookie(c, 'visitor', visitor, { path: '/', httpOnly: true, sameSite: 'Lax', maxAge: 31_536_000 })
  c.header('Cache-Control', 'no-store')
  return c.html(page(notes, at, visitor)) // 3. the page
})

app.post('/notes', bodyLimit({ maxSize: 64 * 1024 }), async c => {
  if (c.req.header('sec-fetch-site') === 'cross-site')
    return c.text('A form of another site changes nothing here.\n', 403)
  const { body } = await c.req.parseBody()
  const text = typeof body === 'string' ? body.trim() : ''
  if (text.length < 1 || text.length > 500) return c.text('A note has 1 to 500 characters.\n', 422)
  const added = db.prepare('INSERT INTO notes (body) VALUES (?) RETURNING id, body').get(text) as unknown as Note // 1. the commit
  try {
    await broadcast('notes', turboStream('append', 'notes', String(note(added)))) // 2. the broadcast
  } catch (error) {
    if (!(error instanceof BroadcastFailed)) throw error
    console.error(`app: ${error.message}`) // the note is saved: log it, and go on
  }
  return c.redirect('/', 303)
})

app.get('/health', c => c.text('ok'))

/** The one partial of a note: the page has it, and the broadcast. */
const note = ({ id, body }: Note) => html`<li id="note_${id}">${body}</li>`

const page = (notes: readonly Note[], at: string, visitor: string) => html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notes</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui }
body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
header { display: flex; gap: 1rem; align-items: center }
h1 { margin: 0 }
form { display: flex; flex-wrap: wrap; gap: .5rem }
label { flex: 1; display: flex; gap: .5rem; align-items: center }
input { flex: 1; min-width: 8rem }
input, button { font: inherit; padding: .4rem .8rem; border: 1px solid GrayText; border-radius: .4rem }
hotcable-status { padding: .1rem .6rem; border: 1px solid GrayText; border-radius: 1rem; font-size: .85rem }
li { margin: .25rem 0; overflow-wrap: anywhere }
</style>
${raw(metaTags({ visitor }))}
${raw(scriptTag())}
</head>
<body>
<main>
<header><h1>Notes</h1> <hotcable-status role="status"></hotcable-status></header>
<p>Open this page in two windows: a note that you add in one appears in both.</p>
${raw(streamFrom('notes', at))}
<form action="/notes" method="post"><label>Note <input name="body" required pattern=".*[^ ].*" title="1 to 500 characters" maxlength="500" autocomplete="off"></label> <button>Add</button></form>
<ul id="notes">${notes.map(note)}</ul>
</main>
</body>
</html>
`

metaTags({}) // throws now if ANYCABLE_SECRET is missing, and not on the first page
serve({ fetch: app.fetch, hostname: HOST, port: Number(PORT) })
