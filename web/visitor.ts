/**
 * The cookies of a browser: the visitor's identity and the client script, so that both are the same on the pages of every
 * language.
 */
import { randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { setCookie } from 'hono/cookie'

export type ClientScript = 'anycable' | 'rails'

const KEPT = { path: '/', httpOnly: true, sameSite: 'Lax', maxAge: 31_536_000 } as const

/** 16 hex digits; any other cookie is replaced. */
export function visitor(c: Context): string {
  // The first valid value counts. Nothing in the cookie is decoded.
  const [, known] = /(?:^|;) *visitor=([0-9a-f]{16}) *(?:;|$)/.exec(c.req.header('cookie') ?? '') ?? []
  if (known !== undefined) return known
  const fresh = randomBytes(8).toString('hex')
  setCookie(c, 'visitor', fresh, KEPT)
  return fresh
}

/** `?client=`, which is then kept in the cookie; else the cookie; else `anycable`. */
export function client(c: Context): ClientScript {
  const [, asked] = /(?:^|&)client=(anycable|rails)(?:&|$)/.exec(new URL(c.req.url).search.slice(1)) ?? []
  if (asked !== undefined) setCookie(c, 'client', asked, KEPT)
  const [, kept] = /(?:^|;) *client=(anycable|rails) *(?:;|$)/.exec(c.req.header('cookie') ?? '') ?? []
  return (asked ?? kept ?? 'anycable') as ClientScript
}
