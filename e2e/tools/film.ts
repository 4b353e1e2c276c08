/**
 * `npm run film`: records the README's moving picture from the running demo (npm start) during `npm run demo:outage`.
 * Needs ImageMagick's `convert`. Each frame is shown for as long as the page showed it; equal frames become one.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright'
import { chromiumLaunch } from '../../backends/harness/toolchain.ts'

const ORIGIN = process.argv[2] ?? 'http://localhost:3000'
const FRAME_MS = 250
const AFTERWARDS_MS = 3000
const FOLDER = 'tmp/film'

const browser = await chromium.launch(chromiumLaunch())
const page = await browser.newPage({ viewport: { width: 1120, height: 1000 }, bypassCSP: true })
await fetch(`${ORIGIN}/clear`, { method: 'POST' })
for (const body of ['Deploy is green.', 'The night job is done.']) {
  await fetch(`${ORIGIN}/cards`, { method: 'POST', body: new URLSearchParams({ author: 'Ada', body }) })
}
await page.goto(`${ORIGIN}/compare`)
const frames = (await page.locator('iframe').all()).map(frame => frame.contentFrame())
const untilLive = () => Promise.all(frames.map(frame => frame.locator('#cable-status[data-state=live]').waitFor()))
await untilLive()
await page.addStyleTag({ content: 'body > header nav, .intro p { display: none }' })

const outage = spawn(process.execPath, [fileURLToPath(new URL('../../start/outage.ts', import.meta.url))])
createInterface({ input: outage.stdout }).on('line', async line => {
  if (!line.startsWith('Look at'))
    await page.locator('.intro h2').evaluate((heading, line) => heading.replaceChildren(line), line)
})
outage.stderr.pipe(process.stderr)

rmSync(FOLDER, { recursive: true, force: true })
mkdirSync(FOLDER, { recursive: true })
const shots: { file: string; ms: number }[] = []
let last: Buffer | undefined
let end = Number.POSITIVE_INFINITY
outage.once('exit', async () => {
  await untilLive()
  end = performance.now() + AFTERWARDS_MS
})
for (let from = performance.now(); from < end; from = performance.now()) {
  const shot = await page.screenshot({ scale: 'css' })
  if (last === undefined || !shot.equals(last)) {
    const file = `${FOLDER}/${String(shots.length).padStart(3, '0')}.png`
    writeFileSync(file, shot)
    shots.push({ file, ms: 0 })
  }
  last = shot
  await pause(Math.max(0, FRAME_MS - (performance.now() - from)))
  shots.at(-1)!.ms += performance.now() - from
}
await browser.close()

const delays = shots.flatMap(({ file, ms }) => ['-delay', String(Math.round(ms / 10)), file])
const small = ['-resize', '720x', '+dither', '-colors', '64', '-fuzz', '2%', '-layers', 'Optimize']
execFileSync('convert', [...delays, '-loop', '0', ...small, 'docs/outage.gif'])
