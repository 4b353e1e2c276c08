/** An empty board invites its visitor to open a second window, and says so when it sees one. */
import { expect } from 'playwright/test'
import { addCard, card, languages, openBoard, test, unique } from './demo.ts'

for (const language of languages) {
  test(`an empty board invites to open a second window, and sees it, in ${language}`, async ({ page, baseURL }) => {
    await fetch(`${baseURL}/clear`, { method: 'POST', redirect: 'manual' })
    await openBoard(page, language)
    const empty = page.locator('.empty')
    const invitation = (await empty.innerHTML())!

    const opened = page.waitForEvent('popup')
    await page.getByRole('link', { name: 'Open this page in a second window' }).click()
    const second = await opened
    for (const each of [page, second])
      await expect(each.locator('.empty')).toHaveText(
        'Your second window is here. Write a card above: both show it at once.',
      )
    expect(second.url()).toBe(page.url())

    await addCard(second, unique('first'))
    await expect(empty).toBeHidden()
    await fetch(`${baseURL}/clear`, { method: 'POST', redirect: 'manual' })
    await expect(empty).toContainText('Your second window is here')
    await second.close({ runBeforeUnload: true })
    await expect.poll(() => empty.innerHTML()).toBe(invitation)
    await expect(card(page, 'first')).toHaveCount(0)
  })
}
