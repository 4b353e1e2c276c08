/** How the pages look: contrast, zoom, a phone, forced colours, writing from right to left. */
import { createRequire } from 'node:module'
import type { Page } from 'playwright/test'
import { expect } from 'playwright/test'
import { addCard, card, LANGUAGES, languages, openBoard, test, unique } from './demo.ts'

interface Violation {
  id: string
  nodes: { target: string[] }[]
}

/** The violations that axe finds on the page: rules of WCAG 2 A and AA, contrast among them. */
async function violations(page: Page): Promise<string[]> {
  // Through the page's Content-Security-Policy, which keeps other scripts out.
  await page.evaluate(`${await source()}; 0`)
  const found: Violation[] = await page.evaluate(async () => {
    const axe = Reflect.get(window, 'axe') as { run: (options: object) => Promise<{ violations: Violation[] }> }
    const options = {
      iframes: false,
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }
    return (await axe.run(options)).violations
  })
  return found.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`))
}

let axe: string | undefined
async function source(): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  axe ??= await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  return axe
}

const LOOKS = {
  light: {},
  dark: { colorScheme: 'dark' },
  'on a phone': { viewport: { width: 390, height: 780 } },
} as const

for (const [look, options] of Object.entries(LOOKS)) {
  test.describe(() => {
    test.use({ ...options, contextOptions: { reducedMotion: 'reduce' } })

    test(`axe finds no violation, ${look}`, async ({ page, baseURL }) => {
      for (const language of languages) {
        await fetch(`${baseURL}/clear`, { method: 'POST', redirect: 'manual' })
        await openBoard(page, language)
        expect([language, 'empty', await violations(page)]).toEqual([language, 'empty', []])
        const body = unique('looked at')
        await addCard(page, body)
        await card(page, body).getByLabel('Delete this card').click()
        await page.getByText('Clear the board').click()
        await page.mouse.move(0, 0)
        expect([language, await violations(page)]).toEqual([language, []])
      }
      await page.goto('/debug')
      await page.getByLabel('What is this?').fill(await page.content())
      await page.locator('#findings .finding').first().waitFor()
      for (const summary of await page.locator('#live summary').all()) await summary.click()
      expect(['/debug', await violations(page)]).toEqual(['/debug', []])
      await page.goto('/people')
      await expect(page.locator('#people li')).toHaveCount(1)
      expect(['/people', await violations(page)]).toEqual(['/people', []])
      for (const path of ['/compare', '/answer', '/nowhere', '/rails/']) {
        await page.goto(path)
        expect([path, await violations(page)]).toEqual([path, []])
      }
      await page.goto('/answer')
      await page.getByLabel('Question').fill('Why?')
      await page.getByRole('button', { name: 'Ask' }).click()
      for (const isBusy of ['true', 'false']) {
        await expect(page.locator('.answer')).toHaveAttribute('aria-busy', isBusy)
        expect(await violations(page)).toEqual([])
      }
    })
  })
}

for (const [title, viewport] of Object.entries({
  'in a window of 1280 × 860': { width: 1280, height: 860 },
  'at 200 % zoom of it': { width: 640, height: 430 },
  'at 200 % zoom of a large window': { width: 960, height: 540 },
  'on a phone': { width: 390, height: 780 },
})) {
  test.describe(() => {
    test.use({ viewport })

    test(`every frame of /compare shows two whole cards, ${title}`, async ({ page, baseURL }) => {
      await fetch(`${baseURL}/clear`, { method: 'POST', redirect: 'manual' })
      for (const language of languages) {
        const body = new URLSearchParams({ body: 'Deploy is green. Shipping at four.', author: 'Yukihiro' })
        await fetch(`${baseURL}${LANGUAGES[language]}cards`, { method: 'POST', body, redirect: 'manual' })
      }
      await page.goto('/compare')

      for (let at = 0; at < languages.length; at++) {
        const frame = page.locator('iframe').nth(at).contentFrame()
        await expect(frame.locator('#cable-status')).toHaveText('live')
        const whole = await frame.locator('#cards').evaluate(list => {
          const { top, bottom } = list.getBoundingClientRect()
          return [...list.children].filter(card => {
            const place = card.getBoundingClientRect()
            return place.top >= top && place.bottom <= Math.min(bottom, window.innerHeight)
          }).length
        })
        expect([languages[at], whole >= 2]).toEqual([languages[at], true])
      }
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width)
    })

    test(`no frame of /compare cuts a placeholder, ${title}`, async ({ page }) => {
      await page.goto('/compare')

      for (const each of await page.locator('iframe').all()) {
        const frame = each.contentFrame()
        await expect(frame.locator('#cable-status')).toHaveText('live')
        const cut = await frame.locator('.add input').evaluateAll(inputs =>
          (inputs as HTMLInputElement[]).flatMap(input => {
            const { font, paddingLeft, paddingRight } = getComputedStyle(input)
            const pen = document.createElement('canvas').getContext('2d')!
            pen.font = font
            const room = input.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight)
            return pen.measureText(input.placeholder).width > room ? [input.placeholder] : []
          }),
        )
        expect(cut).toEqual([])
      }
    })
  })
}

for (const [title, viewport] of Object.entries({
  'at 200 % zoom': { width: 640, height: 430 },
  'on a phone': { width: 390, height: 780 },
  'on the smallest phone': { width: 320, height: 560 },
})) {
  test.describe(() => {
    test.use({ viewport })

    test(`no page is wider than its window, and its header is in order, ${title}`, async ({ page }) => {
      for (const path of ['/', '/python/', '/people', '/answer', '/compare', '/debug', '/nowhere']) {
        await page.goto(path)
        expect([path, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([path, viewport.width])
        await expect(page.locator('nav.demo a')).toHaveText(['Board', 'People', 'Answer', 'Compare', 'Debug'])
        for (const nav of ['.demo', '.languages']) {
          const links = await page.locator(`nav${nav} a`).all()
          const tops = await Promise.all(links.map(async link => (await link.boundingBox())!.y))
          const perLine = tops.map(top => tops.filter(other => other === top).length)
          expect([path, nav, perLine.every(links => links > 1)]).toEqual([path, nav, true])
          if (nav === '.demo') expect([path, perLine[0]]).toEqual([path, 5])
        }
      }
    })
  })
}

test.describe(() => {
  test.use({ contextOptions: { forcedColors: 'active' } })

  test('forced colours keep badges, edges and the status apart', async ({ page }) => {
    await openBoard(page, 'typescript')
    const body = unique('forced')
    await addCard(page, body)
    await card(page, body).getByLabel('Delete this card').click()

    const style = (selector: string, property: string, pseudo?: string) =>
      page
        .locator(selector)
        .first()
        .evaluate((element, [property, pseudo]) => getComputedStyle(element, pseudo).getPropertyValue(property!), [
          property,
          pseudo,
        ] as const)
    for (const edged of ['.card .badge', '.add > button', '.delete button', '#cable-status', '.vote'])
      expect([edged, await style(edged, 'border-top-style'), await style(edged, 'border-top-width')]).toEqual([
        edged,
        'solid',
        '1px',
      ])
    expect(await style('.card[data-backend="typescript"]', 'background-image', '::before')).toContain(
      'rgb(49, 120, 198)',
    )
    const dot = await style('#cable-status', 'background-color', '::before')
    expect(dot).toBe(await style('body', 'color'))
    const edge = (selector: string) => style(`nav.demo ${selector}`, 'border-bottom-width')
    expect([await edge('a[aria-current]'), await edge('a:not([aria-current])')]).toEqual(['3px', '0px'])
  })
})

for (const language of languages) {
  test(`text from right to left runs that way, and a time shows its day, in ${language}`, async ({ page }) => {
    await openBoard(page, language)
    const body = `مرحبا ${unique('')}`
    await addCard(page, body, 'ليلى')

    for (const [part, direction] of [
      ['.body', 'rtl'],
      ['.author', 'rtl'],
      ['.by', 'ltr'],
    ] as const)
      await expect(card(page, body).locator(part)).toHaveCSS('direction', direction)
    const time = card(page, body).locator('time')
    const stamp = (await time.getAttribute('datetime'))!
    await expect(time).toHaveText(`${stamp.slice(0, 10)} ${stamp.slice(11, 16)} UTC`)
  })
}
