/**
 * Where a Board may differ from the contract: ONE row per Board that does, so that a test names the difference and not the
 * Board. A Board without a row keeps the whole contract.
 */
export interface Differences {
  /** It stands in front of the other Boards: it has no mount prefix, and it serves the assets. */
  readonly isOrigin?: true
  /** A framework parses forms, queries and paths, and writes the JSON of a broadcast, by its own rules. */
  readonly isFramework?: true
  /** The meta tag action-cable-url has no host. */
  readonly hasRelativeCableUrl?: true
  /** AnyCable's gem broadcasts, in the background, and retries until a cable takes the message. */
  readonly broadcastsLater?: true
  /** The server starts without reading its program, and each request loads the program anew. */
  readonly startsWithoutProgram?: true
  /** SIGTERM ends the server by the signal, and with it a form in flight. */
  readonly endsBySignal?: true
  /** A worker takes its next request while it still waits for the database. */
  readonly blocksWhileWaiting?: true
}

const DIFFERENCES: Readonly<Record<string, Differences>> = {
  typescript: { isOrigin: true },
  php: { startsWithoutProgram: true, endsBySignal: true, blocksWhileWaiting: true },
  rails: { isFramework: true, hasRelativeCableUrl: true, broadcastsLater: true },
}

export const differences = (backend: string): Differences => DIFFERENCES[backend] ?? {}
