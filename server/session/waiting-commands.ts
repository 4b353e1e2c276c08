/**
 * The commands of a session that wait, in their order, for the answer to an earlier one: an app, not the cable, may have to
 * say whether the client may subscribe.
 *
 * @rails/actioncable repeats a subscribe twice a second until it has an answer, so we drop repetitions of one that waits. We
 * stop reading once much waits; bytes that we had already read still come.
 */
import type { Command } from '../protocol/action-cable.ts'

/** UTF-16 units. */
const MOST = 16 * 1024

/** Units that a command takes beside its text: an upper estimate. */
const OVERHEAD = 100

export class WaitingCommands {
  /** Whether the answer has not come yet. */
  isDue = true
  /** The command that the others wait for. */
  #current: Command
  readonly #waiting: { readonly command: Command; readonly size: number }[] = []
  #size = 0

  constructor(current: Command) {
    this.#current = current
  }

  /** Whether the answers are of no use once the client has left. */
  get areSubscribes(): boolean {
    const isSubscribe = ({ command }: Command) => command === 'subscribe'
    return isSubscribe(this.#current) && this.#waiting.every(({ command }) => isSubscribe(command))
  }

  get isFull(): boolean {
    return this.#size > MOST
  }

  /** `length` of its text. Returns false if it is a repetition. */
  add(command: Command, length: number): boolean {
    if (this.#isRepetition(command)) return false
    const size = OVERHEAD + length
    this.#waiting.push({ command, size })
    this.#size += size
    return true
  }

  /** Removes and returns the first, which the others now wait for. */
  next(): Command | undefined {
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
