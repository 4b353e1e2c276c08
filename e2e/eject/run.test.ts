/**
 * Each project of `npm run eject`, as its owner has it: installed, checked by its types, linter and tests, and started; and
 * two pages of it in a browser. parts.ts runs all of them by night, and one of them each day.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright'
import { LANGUAGES as ALL } from '../../backends/harness/languages.ts'
import { chromiumLaunch, missing } from '../../backends/harness/toolchain.ts'
import { LANGUAGES, type LanguageName } from '../../eject/languages.ts'
import { freePorts } from '../../start/network.ts'
import { withoutSettings } from '../../testing/cable.ts'
import { end, endsWithUs, healthy } from '../../testing/child.ts'

for (const name of Object.keys(LANGUAGES) as LanguageName[]) {
  const absent = (await ALL[name].isPresent()) ? undefined : missing(ALL[name])

  test(`${name}: the project passes its checks, and a note appears on two pages`, {
    skip: process.env.CI === 'true' ? false : absent,
  }, async t => {
    assert.equal(absent, undefined)
    const folder = mkdtempSync(join(tmpdir(), 'hotcable-ejected-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const node = ['--disable-warning=ExperimentalWarning', 'eject/main.ts']
    execFileSync(process.execPath, [...node, `--language=${name}`, '--name=my-app', `--into=${folder}`])
    // (With Node's variable of a test its tests would not run.)
    const env = { ...withoutSettings('ANYCABLE_', 'HOTCABLE_', 'npm_', 'NODE_TEST_'), CI: 'true' }
    const npm = (...args: string[]) =>
      execFileSync('npm', args, { cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    npm('ci', '--prefer-offline')
    assert.match(npm('run', 'check'), /pass 4$/m)

    const url = await started(t, folder, env)
    const browser = await chromium.launch(chromiumLaunch())
    t.after(() => browser.close())
    const [ada, bob] = [await visitor(browser, url), await visitor(browser, url)]
    await ada.getByLabel('Note').fill('<i>hello</i>')
    await ada.getByRole('button', { name: 'Add' }).click()

    for (const page of [ada, bob]) await page.locator('#notes li', { hasText: '<i>hello</i>' }).waitFor()
    assert.equal(await bob.locator('#notes li').count(), 1)
    // The servers of the other languages bound this by themselves.
    if (name === 'go' || name === 'python') await endsSilence(url)
    // The app refuses a blank note, so the browser says so: Turbo shows no answer in plain text.
    await ada.getByLabel('Note').fill('   ')
    await ada.getByRole('button', { name: 'Add' }).click()
    await ada.locator('input:invalid').waitFor()
    for (const colorScheme of ['light', 'dark'] as const) {
      await bob.emulateMedia({ colorScheme })
      assert.deepEqual(await violations(bob), [])
    }
  })
}

async function started(t: TestContext, folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  const [port, cablePort] = await freePorts(2)
  const child = endsWithUs(
    spawn('npm', ['start'], {
      cwd: folder,
      env: { ...env, PORT: String(port), CABLE_PORT: String(cablePort) },
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    }),
  )
  t.after(() => end(child))
  const url = `http://localhost:${port}`
  await healthy(`${url}/health`, child)
  return url
}

/** Resolves once the app has ended the connection of a client that never sends the rest of its form. */
async function endsSilence(url: string): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
  socket.write('POST /notes HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nbody=x')
  await once(socket.resume(), 'close')
}

async function violations(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: 'node_modules/axe-core/axe.min.js' })
  return await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof import('axe-core') }).axe.run()
    return violations.map(({ id }) => id)
  })
}

/** A page that is live. */
async function visitor(browser: Browser, url: string) {
  const page = await (await browser.newContext()).newPage()
  page.on('pageerror', error => assert.fail(error))
  await page.goto(url)
  await page.locator('hotcable-status[data-state=live]').waitFor()
  return page
}
