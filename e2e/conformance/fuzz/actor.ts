/** A client of a sequence, and what the model knows of it. */
import type { Client } from '../../../testing/client.ts'
import { type Ears, Listener, type Subscription } from './model.ts'
import type { Random } from './random.ts'

export class Actor extends Listener {
  readonly name: string
  /** With a token; without, it is anonymous. */
  readonly known: boolean
  identity: string
  client!: Client

  constructor(name: string, random: Random, identity: string, ears: Ears) {
    super(ears)
    this.name = name
    this.extended = random.chance(0.7)
    this.known = random.chance(0.6)
    this.identity = identity
  }

  get mine(): Subscription[] {
    return [...this.subscriptions.values()]
  }
}

/** Writes to the socket behind ws, which would not send these bytes. */
export function write({ client }: Actor, ...bytes: Buffer[]): void {
  const { _socket: socket } = client.ws as unknown as { _socket: { write: (bytes: Buffer) => void } }
  socket.write(Buffer.concat(bytes))
}
