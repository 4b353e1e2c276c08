/** @hotwired/turbo has no types; these are the parts that the scripts use. */
declare module '@hotwired/turbo' {}

interface Window {
  /** Absent before a script has loaded Turbo. */
  readonly Turbo?: {
    readonly session: { drive: boolean; readonly history: { stop: () => void } }
    readonly connectStreamSource: (source: EventTarget) => void
    readonly disconnectStreamSource: (source: EventTarget) => void
  }
}
