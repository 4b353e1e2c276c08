/** The package has no types; these are all that we use of it. */
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
