/** Messages of the application go to the client as they are. */
import type { Connection } from '../hub/connection.ts'

export function transmit(connection: Pick<Connection, 'transmit'>, transmissions: readonly string[]): void {
  for (const text of transmissions) connection.transmit(text)
}
