/** The package carries no types; this is all that we touch of it. */
declare module '@rails/actioncable' {
  interface Mixin {
    connected?: () => void
    disconnected?: () => void
    received?: (message: unknown) => void
  }
  export interface Consumer {
    readonly subscriptions: { create: (params: object, mixin: Mixin) => { unsubscribe: () => void } }
    disconnect: () => void
  }
  export function createConsumer(url: string): Consumer
}
