/**
 * The browser tests: the running demo, in an installed Chromium, with secrets that the tests know.
 *
 * One worker: all visitors share the Board, which is its point, and one of the tests clears it.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'playwright/test'
import { chromiumLaunch } from '../../backends/harness/toolchain.ts'
import { freePorts } from '../../start/network.ts'
import { onAnycable, SECRET } from './demo.ts'

// Workers load this file again; the environment carries the first one's decisions to them.
process.env.HOTCABLE_E2E_PORT ??= String(await freePorts(1))
process.env.HOTCABLE_E2E_DB ??= join(mkdtempSync(join(tmpdir(), 'hotcable-e2e-')), 'board.sqlite3')
const port = process.env.HOTCABLE_E2E_PORT
const origin = `http://localhost:${port}`
const browser = chromiumLaunch()

const OWN_SERVERS = ['heal/*', 'deploy/*']

/** One recipe, one app of the guide and one of the other pages of docs/ (npm test); npm run test:full has them all. */
const OTHER_RECIPES = /the recipe for (?!Hono:)|an existing app in (?!Flask)|docs-(?!forms.*a form is answered)/

/** Tests that repeat another one: with the other client script, in another language or look; those of `boards` (npm run test:full). */
const REPEATED = new RegExp(
  [
    String.raw`(board|keyboard|own-changes)\.spec\.ts .*\(rails\)$`,
    String.raw`(csrf|events|keyboard|looks|news|own-changes|windows)\.spec\.ts .* in (python|php|ruby|rails)( \(anycable\))?$`,
    String.raw`written in (?<writer>typescript|php|ruby) appears on a page of (?!\k<writer> )(typescript|python|php|ruby) `,
    'written in python appears on a page of (?!typescript )',
    String.raw`board\.spec\.ts .*(stays text|plain forms|votes, deletions and clearing).* in (python|php|ruby|rails)( \(anycable\))?$`,
    String.raw`rails\.spec\.ts .*(refresh morphs|page of one card|after its network was gone|its query and its subscription).*\(rails\)$`,
    String.raw`rails\.spec\.ts .*(one Rails page|forged name).*(with secret_key_base alone$|6\.1|alone \(anycable\)|guide \(rails\))`,
    String.raw`scripts\.spec\.ts .*as little work.*\(rails\)$`,
    String.raw`looks\.spec\.ts .*axe finds no violation, (dark|on a phone)$`,
    String.raw`looks\.spec\.ts .*header is in order, (at 200 % zoom|on the smallest phone)`,
    String.raw`chat\.spec\.ts .*(actioncable over (grpc|http)|web over http)$`,
    String.raw`people\.spec\.ts .*(knows the other windows|is in the list again|joins without a name)`,
    String.raw`answer\.spec\.ts .*(opened in the middle|lost its socket|after the end changes nothing)`,
  ].join('|'),
)

export default defineConfig({
  testDir: '.',
  outputDir: '../../test-results',
  projects: [
    { name: 'board', testMatch: '*.spec.ts', testIgnore: OWN_SERVERS, grepInvert: [OTHER_RECIPES, REPEATED] },
    { name: 'boards', testMatch: '*.spec.ts', testIgnore: OWN_SERVERS, grep: REPEATED },
    { name: 'recipes', testMatch: ['recipes.spec.ts', 'guide.spec.ts', 'docs-*.spec.ts'], grep: OTHER_RECIPES },
    // The same tests with AnyCable in the place of our cable (npm run e2e:swap).
    { name: 'swap', testMatch: ['board.spec.ts', 'rails.spec.ts', 'trust.spec.ts'] },
    // Each test starts its own servers, breaks them, and mostly waits: together they take minutes (npm run e2e:heal).
    { name: 'heal', testMatch: 'heal/*.spec.ts', timeout: 180_000 },
    // What deploy/compose.yml starts, as processes or in docker-compose.
    { name: 'deploy', testMatch: 'deploy/*.spec.ts', timeout: 180_000 },
  ],
  workers: 1,
  // Time-outs only end a test that hangs; a busy machine is slow.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  forbidOnly: process.env.CI === 'true',
  reporter: [['dot'], ['json']],
  use: {
    baseURL: origin,
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    launchOptions: {
      ...browser,
      args: [
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
        '--disable-gpu',
        '--disable-quic',
        ...browser.args,
      ],
    },
  },
  webServer: {
    command: `"${process.execPath}" ${onAnycable ? 'e2e/tools/swap.ts' : 'start/main.ts'}`,
    cwd: join(import.meta.dirname, '../..'),
    url: `${origin}/compare`,
    timeout: 180_000,
    env: { PORT: port, HOTCABLE_DB: process.env.HOTCABLE_E2E_DB, ANYCABLE_SECRET: SECRET },
    stdout: 'pipe',
    stderr: 'pipe',
    gracefulShutdown: { signal: 'SIGTERM', timeout: 10_000 },
  },
})
