/** The page's scripts as the cable serves them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePorts } from '../../start/network.ts'
import { createClientScripts } from '../http/client-scripts.ts'
import { createLog } from '../log.ts'
import { startCable } from './test-cable.ts'

const originOf = ({ url }: { url: { cable: string } }) => new URL(url.cable).origin.replace('ws', 'http')

test('the cable serves both scripts and their source maps, at the root and below each of its paths', async t => {
  const origin = originOf(await startCable(t, ['--path=/cable,/live/socket,/']))

  for (const folder of ['', '/cable', '/live/socket'])
    for (const name of ['hotcable.js', 'hotcable-streams.js']) {
      const [script, map] = await Promise.all([name, `${name}.map`].map(file => fetch(`${origin}${folder}/${file}`)))

      assert.equal(script!.status, 200)
      assert.equal(script!.headers.get('content-type'), 'text/javascript; charset=utf-8')
      assert.match(await script!.text(), new RegExp(`sourceMappingURL=${name}.map\\n$`))
      assert.equal(map!.headers.get('content-type'), 'application/json')
      assert.equal(((await map!.json()) as { version: number }).version, 3)
    }
})

test('a page of any origin may load a script and keep it, and a browser that has it gets 304', async t => {
  const url = `${originOf(await startCable(t))}/cable/hotcable.js`
  const plain = await fetch(url, { headers: { origin: 'https://app.test', 'accept-encoding': 'identity' } })
  const zipped = await fetch(url, { headers: { 'accept-encoding': 'gzip' } })
  const etag = plain.headers.get('etag')!
  const again = await fetch(url, { headers: { 'if-none-match': `"other", ${etag}` } })

  assert.equal(plain.headers.get('access-control-allow-origin'), '*')
  assert.equal(plain.headers.get('cache-control'), 'public, max-age=600')
  assert.equal(plain.headers.get('content-encoding'), null)
  assert.equal(zipped.headers.get('content-encoding'), 'gzip')
  assert.equal(zipped.headers.get('vary'), 'Accept-Encoding')
  assert.equal(await zipped.text(), await plain.text())
  assert.deepEqual([again.status, again.headers.get('etag'), await again.text()], [304, etag, ''])
})

test('with --client_js=off the cable serves no script, and the port of broadcasts never does', async t => {
  const [port] = await freePorts(1)
  const off = originOf(await startCable(t, ['--client_js=off']))
  const { url } = await startCable(t, [`--http_broadcast_port=${port}`])

  for (const origin of [off, new URL(url.broadcast).origin])
    for (const path of ['/hotcable.js', '/cable/hotcable.js', '/hotcable-streams.js', '/hotcable.js.map'])
      assert.equal((await fetch(origin + path)).status, 404, origin + path)
})

test('the scripts are built at the first request, once, and a failure is answered with its reason', async () => {
  let builds = 0
  const build = async () => {
    builds++
    throw new Error('esbuild is not installed')
  }
  const routes = createClientScripts(['/cable'], { build, log: createLog('error', 'text') })
  assert.equal(builds, 0)

  const answers = await Promise.all(['/hotcable.js', '/cable/hotcable.js'].map(path => routes.request(path)))

  assert.equal(builds, 1)
  for (const answer of answers) {
    assert.equal(answer.status, 404)
    assert.match(await answer.text(), /esbuild is not installed/)
  }
  assert.equal((await routes.request('/hotcable.js')).status, 404)
  assert.equal(builds, 2, 'a later request builds again')
})
