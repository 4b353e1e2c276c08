/**
 * The commands of a session that wait, in their order, for the answer to an earlier one: an app, not the cable, may have to
 * say whether the client may subscribe.
 *
 * @rails/actioncable repeats a subscribe twice a second until it has an answer, so we drop repetitions of one that waits. We
 * stop reading once much waits; bytes that we had already read still come.
 */
import type { Connection } from '../hub/connection.ts'
import type { Command } from '../protocol/action-cable.ts'

/** The session whose commands these are. */
export interface Orderly {
  readonly ended: boolean
  readonly connection: Pick<Connection, 'hold'>
  obey: (command: Command) => unknown
  /** No command waits. */
  caughtUp: () => void
  fail: (error: unknown) => void
}

/** UTF-16 units. */
const MOST = 16 * 1024

/** Units that a command takes beside its text: an upper estimate. */
const OVERHEAD = 100

/** How long the commands of a client that has left may wait for answers. */
const LAST_MS = 5_000

export class WaitingCommands {
  readonly #session: Orderly
  /** The command that the others wait for. */
  #current: Command
  /** Whether its answer has not come yet. */
  #isDue = false
  readonly #waiting: { readonly command: Command; readonly size: number }[] = []
  #size = 0
  #hasLeft = false
  /** Of those that wait for the end of the commands. */
  readonly #over = new Set<() => void>()

  constructor(session: Orderly, current: Command) {
    this.#session = session
    this.#current = current
  }

  /** Lets later commands wait for the answer to the current one. */
  waitFor(answer: Promise<unknown>): void {
    this.#isDue = true
    answer.then(() => this.#goOn()).catch(error => this.#session.fail(error))
  }

  /** `length` of its text. Returns false if it is a repetition. */
  add(command: Command, length: number): boolean {
    const isNew = !this.#isRepetition(command)
    const size = OVERHEAD + length
    if (isNew) {
      this.#waiting.push({ command, size })
      this.#size += size
    }
    if (this.#isFull) this.#session.connection.hold(true)
    return isNew
  }

  /** The client has left. Calls `then` after its last commands, and executes no subscribe any more. */
  left(then: () => void, later: (ms: number, then: () => void) => () => void): void {
    this.#hasLeft = true
    this.settled(then, later, LAST_MS)
  }

  /**
   * Calls `then` after the last command, after so many ms at the latest; or at once if they are subscribes, whose answers are of
   * no use to a client that has left, or has another session.
   */
  settled(then: () => void, later: (ms: number, then: () => void) => () => void, ms: number): void {
    const isSubscribe = ({ command }: Command) => command === 'subscribe'
    if (isSubscribe(this.#current) && this.#waiting.every(({ command }) => isSubscribe(command))) return then()
    const over = () => {
      cancel()
      this.#over.delete(over)
      then()
    }
    const cancel = later(ms, over)
    this.#over.add(over)
  }

  /** No command waits any more: the last one is executed, or the session has ended. */
  end(): void {
    this.#session.connection.hold(false)
    for (const over of this.#over) over()
  }

  get #isFull(): boolean {
    return this.#size > MOST
  }

  #goOn(): void {
    this.#isDue = false
    while (!this.#isDue) {
      if (this.#session.ended) return
      const command = this.#next()
      if (command === undefined) {
        this.#session.caughtUp()
        return this.end()
      }
      if (!this.#hasLeft || command.command !== 'subscribe') this.#session.obey(command)
    }
    if (!this.#isFull) this.#session.connection.hold(false)
  }

  /** Removes and returns the first, which the others now wait for. */
  #next(): Command | undefined {
    const next = this.#waiting.shift()
    if (next === undefined) return undefined
    this.#size -= next.size
    this.#current = next.command
    return next.command
  }

  #isRepetition({ command, identifier }: Command): boolean {
    if (command !== 'subscribe') return false
    const isAboutIt = (other: Command) =>
      other.identifier === identifier && (other.command === 'subscribe' || other.command === 'unsubscribe')
    const latest = this.#waiting.findLast(waiting => isAboutIt(waiting.command))?.command
    return (latest ?? (isAboutIt(this.#current) ? this.#current : undefined))?.command === 'subscribe'
  }
}
