import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { createAssets } from './assets.ts'

const assets = await createAssets()
const app = new Hono().get('/assets/:name', assets.handler)

for (const [name, type] of [
  ['hotcable.js', 'text/javascript; charset=utf-8'],
  ['hotcable.js.map', 'application/json'],
  ['hotcable-streams.js', 'text/javascript; charset=utf-8'],
  ['rails.js', 'text/javascript; charset=utf-8'],
  ['rails-gem.js', 'text/javascript; charset=utf-8'],
  ['board.js', 'text/javascript; charset=utf-8'],
  ['people.js', 'text/javascript; charset=utf-8'],
  ['retry.js', 'text/javascript; charset=utf-8'],
  ['board.css', 'text/css; charset=utf-8'],
  ['icon.svg', 'image/svg+xml'],
] as const) {
  test(`web serves ${name}, and answers 304 to a browser that has it`, async () => {
    const first = await app.request(`/assets/${name}`)
    const etag = first.headers.get('etag')!
    const again = await app.request(`/assets/${name}`, { headers: { 'if-none-match': `"other", ${etag}` } })

    assert.equal(first.status, 200)
    assert.equal(first.headers.get('content-type'), type)
    assert.equal(first.headers.get('cache-control'), 'no-cache')
    assert.ok((await first.text()).length > 100)
    assert.equal(again.status, 304)
    assert.equal(await again.text(), '')
  })
}

test('a browser that takes gzip gets an asset compressed', async () => {
  const plain = await app.request('/assets/hotcable.js')
  const zipped = await app.request('/assets/hotcable.js', { headers: { 'accept-encoding': 'br, gzip' } })
  const bytes = new Uint8Array(await zipped.arrayBuffer())

  assert.equal(plain.headers.get('content-encoding'), null)
  assert.equal(zipped.headers.get('content-encoding'), 'gzip')
  assert.equal(zipped.headers.get('vary'), 'Accept-Encoding')
  assert.equal(zipped.headers.get('etag'), plain.headers.get('etag'))
  assert.ok(bytes.length < 50_000)
  assert.equal(gunzipSync(bytes).toString(), await plain.text())
})

test('no other file is an asset', async () => {
  for (const name of ['board.ts', '..%2fmain.ts', 'constructor', '']) {
    assert.equal((await app.request(`/assets/${name}`)).status, 404, name)
  }
})
