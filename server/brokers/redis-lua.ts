/** The functions of Redis that must be one step. They are Lua, which Redis runs without anything in between. */
import { HISTORY } from './redis-history-lua.ts'
import { PRESENCE } from './redis-presence-lua.ts'
import { SESSIONS } from './redis-session-lua.ts'

export const FUNCTIONS = { ...HISTORY, ...SESSIONS, ...PRESENCE } as const

export type FunctionName = keyof typeof FUNCTIONS
