/** /debug as a developer uses it: pastes a text, reads the lists, by mouse and by keyboard. What clients sent stays text. */
import { expect, type Page } from 'playwright/test'
import { signStream } from '../../backends/typescript/hotcable.ts'
import { addCard, openBoard, SECRET, test, token, unique } from './demo.ts'

const EVIL = '</textarea></pre><img src=x onerror="window.attacked = true"><script>window.attacked = true</script>'

const pasted = (page: Page) => page.getByLabel('What is this?')
const findings = (page: Page) => page.locator('#findings')
const live = (page: Page) => page.locator('#live')

test('a developer comes from the Board, pastes a name, and sees the stream, then what is wrong with a token', async ({
  page,
}) => {
  await openBoard(page, 'python')
  await page.getByRole('link', { name: 'Debug' }).click()
  await expect(page).toHaveTitle('Debug · Hotcable')

  await pasted(page).fill(signStream('board/1', { secret: SECRET }))
  await expect(findings(page)).toContainText('No fault found')
  await expect(findings(page)).toContainText('board/1')

  await pasted(page).fill(token({ ext: '{}', exp: 1_000_000_000 }))
  await expect(findings(page)).toContainText('token_expired')
  await pasted(page).fill('')
  await expect(findings(page)).toBeEmpty()
})

test('the HTML of a Board has no fault', async ({ page, baseURL }) => {
  const html = await (await fetch(`${baseURL}/php/`)).text()
  await page.goto('/debug')
  await pasted(page).fill(html)

  await expect(findings(page)).toContainText('stream source')
  await expect(findings(page).locator('[data-is=wrong]')).toHaveCount(0)
})

test('the lists follow the cable: a session, its stream, and a message', async ({ page, visit }) => {
  await page.goto('/debug')
  const board = await visit('ruby')
  await expect(live(page)).toContainText('board/1')
  const body = unique('seen in /debug')
  await addCard(board, body)

  // By keyboard. The list may be replaced in between, and the focus stays.
  const stream = live(page).locator('summary', { hasText: 'board/1' })
  await stream.focus()
  await page.keyboard.press('Enter')
  await expect(live(page).locator('details[open] pre', { hasText: body })).toBeVisible()
  await addCard(board, `${body} again`)
  await expect(live(page).locator('details[open] pre', { hasText: `${body} again` })).toBeVisible()
  await expect(stream).toBeFocused()
})

test('a script that a client sent, or that was pasted, does not run', async ({ page }) => {
  await page.goto('/debug')
  const identifier = JSON.stringify({
    channel: 'Turbo::StreamsChannel',
    signed_stream_name: signStream(`evil/${EVIL}`, { secret: SECRET }),
  })
  await page.evaluate(
    ([jid, identifier]) => {
      const ws = new WebSocket(`/cable?jid=${jid}`, 'actioncable-v1-json')
      ws.onopen = () => ws.send(JSON.stringify({ command: 'subscribe', identifier }))
    },
    [token({ ext: `identity ${EVIL}` }), identifier] as const,
  )

  await expect(live(page).locator('.name', { hasText: `identity ${EVIL}` })).toBeVisible()
  await expect(live(page).locator('summary', { hasText: `evil/${EVIL}` })).toBeVisible()
  for (const text of [EVIL, identifier, token({ ext: EVIL }), `{"channel":${JSON.stringify(EVIL)}}`]) {
    await pasted(page).fill(text)
    await expect(findings(page).locator('.finding').first()).toBeVisible()
  }
  expect(await page.evaluate(() => 'attacked' in window)).toBe(false)
})

test('a message without a listener is named', async ({ page, baseURL }) => {
  await page.goto('/debug')
  await expect(live(page).locator('.rows li', { hasText: 'visitor' })).toHaveCount(0)
  const body = new URLSearchParams({ body: unique('unheard'), author: 'Ada' })
  await fetch(`${baseURL}/cards`, { method: 'POST', body, redirect: 'manual' })

  await expect(live(page).locator('.unheard')).toContainText('board/1')
})

test.describe(() => {
  test.use({ javaScriptEnabled: false })

  test('without scripts the form decodes, and the lists are there', async ({ page }) => {
    await page.goto('/debug')
    await pasted(page).fill('stream_signature_mismatch')
    await page.getByRole('button', { name: 'Decode' }).click()

    await expect(findings(page)).toContainText('give the app and the cable the same ANYCABLE_SECRET')
    await expect(pasted(page)).toHaveValue('stream_signature_mismatch')
    await expect(live(page)).toContainText('Sessions')
  })
})
