/** Adds a link to /debug to the header of each page. The Boards in other languages, behind this server, do not print it. */
import type { MiddlewareHandler } from 'hono'

export const debugLink: MiddlewareHandler = async (c, next) => {
  await next()
  const page = c.res
  const isPage = page.headers.get('content-type')?.startsWith('text/html') && !page.headers.has('content-encoding')
  if (page.body === null || !isPage) return
  const current = c.req.path === '/debug' ? ' aria-current="page"' : ''
  const body = (await page.text()).replace('</nav>', `<a href="/debug"${current}>Debug</a>\n</nav>`)
  const headers = new Headers(page.headers)
  headers.delete('content-length')
  // (Hono would copy the headers of the first answer into the second.)
  c.res = undefined
  c.res = new Response(body, { status: page.status, statusText: page.statusText, headers })
}
