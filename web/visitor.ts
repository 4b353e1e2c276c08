/**
 * What a browser brings along: who the visitor is, and which client script it wants. Both are kept in cookies, so that
 * they are the same on the pages of every language.
 */
import { randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { setCookie } from 'hono/cookie'

export type Client = 'anycable' | 'rails'

const KEPT = { path: '/', httpOnly: true, sameSite: 'Lax', maxAge: 31_536_000 } as const

/** 16 hex digits; a cookie that is anything else is replaced. */
export function visitor(c: Context): string {
  // The first value that is a valid one of ours counts. We decode nothing in the cookie.
  const [, known] = /(?:^|;) *visitor=([0-9a-f]{16}) *(?:;|$)/.exec(c.req.header('cookie') ?? '') ?? []
  if (known !== undefined) return known
  const fresh = randomBytes(8).toString('hex')
  setCookie(c, 'visitor', fresh, KEPT)
  return fresh
}

/** `?client=` decides and is kept; then the cookie; then `anycable`. */
export function client(c: Context): Client {
  const [, asked] = /(?:^|&)client=(anycable|rails)(?:&|$)/.exec(new URL(c.req.url).search.slice(1)) ?? []
  if (asked !== undefined) setCookie(c, 'client', asked, KEPT)
  const [, kept] = /(?:^|;) *client=(anycable|rails) *(?:;|$)/.exec(c.req.header('cookie') ?? '') ?? []
  return (asked ?? kept ?? 'anycable') as Client
}
