/** Messages of the application go to the client as they are. */
import type { Connection } from '../hub/connection.ts'
import { frameOf } from '../protocol/frame.ts'

export function transmit(connection: Pick<Connection, 'send'>, transmissions: readonly string[]): void {
  for (const text of transmissions) connection.send(frameOf(text))
}
