/**
 * What a browser brings along: who the visitor is, and which client script it wants. Both are kept in cookies, so that
 * they are the same on the pages of every language.
 */
import { randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'

export type Client = 'anycable' | 'rails'

const KEPT = { path: '/', httpOnly: true, sameSite: 'Lax', maxAge: 31_536_000 } as const

/** 16 hex digits; a cookie that is anything else is replaced. */
export function visitor(c: Context): string {
  const known = getCookie(c, 'visitor')
  if (known !== undefined && /^[0-9a-f]{16}$/.test(known)) return known
  const fresh = randomBytes(8).toString('hex')
  setCookie(c, 'visitor', fresh, KEPT)
  return fresh
}

/** `?client=` decides and is kept; then the cookie; then `anycable`. */
export function client(c: Context): Client {
  const asked = c.req.query('client')
  if (isClient(asked)) {
    setCookie(c, 'client', asked, KEPT)
    return asked
  }
  const kept = getCookie(c, 'client')
  return isClient(kept) ? kept : 'anycable'
}

const isClient = (name: string | undefined): name is Client => name === 'anycable' || name === 'rails'
