/**
 * Where a Board may differ from the contract: ONE row per Board that does, so that a test names what differs and not the
 * Board. A Board without a row keeps the contract whole.
 */
export interface Differences {
  /** It stands before the other Boards: it is never mounted under a prefix, and it serves the assets. */
  readonly isOrigin?: true
  /** A framework parses forms, queries and paths, and prints the JSON of a broadcast: by its rules, not the contract's. */
  readonly isFramework?: true
  /** The meta tag action-cable-url has no host. */
  readonly hasRelativeCableUrl?: true
  /** AnyCable's gem broadcasts, in the background, and retries until a cable takes the message. */
  readonly broadcastsLater?: true
  /** The server starts without reading its program, and each request loads the program anew. */
  readonly startsWithoutProgram?: true
  /** SIGTERM ends the server by the signal, and a form that is under way with it. */
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
