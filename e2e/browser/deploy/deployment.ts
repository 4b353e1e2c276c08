/**
 * What deploy/compose.yml starts, with one cable or with two and Redis. Either docker-compose runs it, or processes with the same
 * files: the Caddyfile, with-secrets.sh, and the flags of the cable.
 *
 *   page ──TLS──▶ caddy ──▶ cable, cable-2
 *                   ╰─────▶ web
 */
export type ServiceName = 'web' | 'cable' | 'cable-2'

export interface Deployment {
  readonly origin: string
  /** The certificate of Caddy's own CA, as PEM. */
  readonly ca: () => Promise<string>
  /** The languages whose Boards it has. */
  readonly languages: readonly ('typescript' | 'python' | 'php' | 'ruby')[]
  /** Ends a service properly, or kills it. Resolves once it has ended. */
  readonly stop: (service: ServiceName, how?: 'kill') => Promise<void>
  /** Resolves once the service answers. */
  readonly start: (service: ServiceName) => Promise<void>
  /** Runs commands of docs/operating.md in a folder. `undefined`: Docker does not run it. */
  readonly shell?: (commands: string, folder: string) => Promise<void>
  readonly close: () => Promise<void>
}

export interface DeploymentOptions {
  readonly isShared: boolean
}
