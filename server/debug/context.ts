/**
 * What decode() gets besides the pasted text: the configuration, the time, and what a running cable adds.
 */
import type { Position } from '../protocol/position.ts'
import type { KeySettings } from './keys.ts'

export interface Context {
  readonly settings: KeySettings & {
    readonly jwtParam: string
    readonly noauth: boolean
    /** By their names. */
    readonly settings: {
      readonly path: readonly string[]
      readonly sse_path: string
      readonly http_broadcast_path: string
    }
  }
  /** Unix seconds. */
  readonly now: number
  /** The newest position of the running cable; `undefined`: none runs here, or it keeps no history. */
  readonly position?: Position | undefined
  /** The last messages of a stream, as JSON text; if `after` is given, those after it. */
  readonly messages?: (stream: string, after: Position | undefined) => readonly string[]
}
