/** The app and the cable, started as `npm start` does, and a client that reads what the page would get. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { untilHealthy } from '../../../start/health.ts'
import { freePorts } from '../../../start/network.ts'

const ROOT = resolve(import.meta.dirname, '..')
const [PORT, CABLE_PORT] = (await freePorts(2)).map(String)
const HOME = `http://127.0.0.1:${PORT}`
const folder = mkdtempSync(join(tmpdir(), 'app-'))

const env = { ...process.env, PORT, CABLE_PORT, DATABASE_FILE: join(folder, 'app.sqlite3') }
const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'start/main.ts'], {
  cwd: ROOT,
  env,
  stdio: 'inherit',
})

before(async () => {
  assert.deepEqual(await untilHealthy([`${HOME}/health`], 60_000), [])
})

after(async () => {
  child.kill('SIGTERM')
  await once(child, 'exit')
  rmSync(folder, { recursive: true })
})

const visit = async (): Promise<string> => await (await fetch(HOME)).text()

const add = async (body: string): Promise<Response> =>
  await fetch(`${HOME}/notes`, { method: 'POST', body: new URLSearchParams({ body }), redirect: 'manual' })

/** Sends a form as it stands, and leaves. Resolves with the answer, if there is one. */
async function send(head: string, form: string): Promise<string> {
  const socket = connect(Number(PORT), '127.0.0.1').on('error', () => {})
  let answer = ''
  socket.setEncoding('latin1').on('data', part => {
    answer += part
  })
  const type = 'Content-Type: application/x-www-form-urlencoded'
  socket.end(`POST /notes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${type}\r\n${head}\r\n\r\n${form}`)
  await once(socket, 'close')
  return answer
}

/** Subscribes as the page does, and resolves with the first message whose HTML has `text`. */
async function hears(page: string, text: string, then: () => Promise<unknown> = async () => {}): Promise<string> {
  const attribute = (name: string) => new RegExp(` ${name}="([^"]*)"`).exec(page)![1]!.replaceAll('&amp;', '&')
  const identifier = JSON.stringify({
    channel: attribute('channel'),
    signed_stream_name: attribute('signed-stream-name'),
    position: attribute('data-position'),
  })
  const [, url] = /name="action-cable-url" content="([^"]*)"/.exec(page)!
  const socket = new WebSocket(url!.replaceAll('&amp;', '&'), 'actioncable-v1-json')
  try {
    return await new Promise((resolve, reject) => {
      socket.onerror = () => reject(new Error('the cable does not answer'))
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data)
        if (frame.type === 'welcome') socket.send(JSON.stringify({ command: 'subscribe', identifier }))
        else if (frame.type === 'confirm_subscription') then().catch(reject)
        else if (frame.type === 'disconnect' || frame.type === 'reject_subscription') reject(new Error(data))
        else if (typeof frame.message === 'string' && frame.message.includes(text)) resolve(frame.message)
      }
    })
  } finally {
    socket.close()
  }
}

test('a note appears on an open page, as the page itself shows it', async () => {
  const page = await visit()

  const message = await hears(page, '&lt;b&gt;live', () => add('<b>live</b>'))

  const [, item] = /<template>(.*)<\/template>/.exec(message)!
  assert.match(message, /^<turbo-stream action="append" target="notes">/)
  assert.ok((await visit()).includes(item!))
})

test('a page gets what was added after it was rendered, and before it connected', async () => {
  const page = await visit()
  assert.equal((await add('in between')).status, 303)

  assert.match(await hears(page, 'in between'), /<li id="note_\d+">in between<\/li>/)
})

test('the app refuses an empty note, and a form of another site', async () => {
  const headers = { 'sec-fetch-site': 'cross-site' }
  const forged = await fetch(`${HOME}/notes`, {
    method: 'POST',
    body: new URLSearchParams({ body: 'forged' }),
    headers,
  })

  assert.deepEqual([(await add(' ')).status, forged.status], [422, 403])
  assert.doesNotMatch(await visit(), /forged/)
})

test('the app stores nothing of a form that is too long, broken off, or without its length', async () => {
  const form = 'body=unwanted'
  const long = `${form}&more=${'x'.repeat(70_000)}`
  for (const [head, body] of [
    [`Content-Length: ${long.length}`, long],
    ['Content-Length: 100', form],
    ['Content-Length: x', form],
    ['Accept: */*', form],
    ['Transfer-Encoding: chunked', `${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`],
    ['Transfer-Encoding: chunked', `64\r\n${form}`],
  ] as const)
    assert.match(await send(head, body), /^$|^HTTP\/1\.[01] 4\d\d /, head)

  assert.doesNotMatch(await visit(), /unwanted/)
})
