/** The apps of docs/ while the cable is away: a broadcast that fails does not fail the form, and the app logs it. */
import { expect } from 'playwright/test'
import { DJANGO, FLASK, type Framework, type PageApp, test } from './page-app.ts'

const cookieOf = ({ headers }: { headers: Record<string, unknown> }) =>
  ([headers['set-cookie'] ?? []].flat() as string[]).map(each => each.split(';')[0]).join('; ')

/** Logs in, if the app has a log-in. Returns a cookie, and the CSRF token that belongs to it. */
async function signIn({ process }: PageApp, isDjango: boolean): Promise<{ cookie: string; token: string }> {
  if (!isDjango) return { cookie: cookieOf(await process.post('/login', { user: 'ada' })), token: '' }
  const page = await process.ask('/')
  return { cookie: cookieOf(page), token: /name="csrfmiddlewaretoken" value="([^"]+)"/.exec(page.body)![1]! }
}

const APPS: readonly (readonly [page: string, heading: string, framework: Framework, path: string])[] = [
  ['docs/after-commit.md', 'In Django', DJANGO, '/cards'],
  ['docs/forms.md', 'In Django', DJANGO, '/notes'],
  ['docs/streams.md', 'In Flask', FLASK, '/notes'],
  ['docs/streams.md', 'In Flask', FLASK, '/remove/bob'],
  ['docs/streams.md', 'In Flask', FLASK, '/logout'],
  ['docs/authorize.md', 'In Flask', FLASK, '/lines'],
  ['docs/authorize.md', 'In Flask', FLASK, '/remove/bob'],
]

for (const [page, heading, framework, path] of APPS)
  test(`${page}: POST ${path} is answered while the cable is away`, async ({ start }) => {
    const app = await start(page, heading, framework)
    const { cookie, token } = await signIn(app, framework === DJANGO)
    await app.cable.stop()

    const { status } = await app.process.post(path, { body: 'One', csrfmiddlewaretoken: token }, { cookie })

    expect(status).toBe(303)
  })

test('docs/progress.md: an export goes on while the cable is away', async ({ start }) => {
  const { process, cable } = await start('docs/progress.md', 'In Flask', FLASK)
  await cable.stop()

  await process.post('/export')

  await expect.poll(async () => (await process.ask('/')).body).toMatch(/ (?:[2-9]|\d\d+) %/)
})
