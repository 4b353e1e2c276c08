/** Hotwire's packages have no types; these are the parts that the scripts use. */
declare module '@hotwired/turbo-rails' {}

declare module 'rails/turbo.min.js' {}

interface Window {
  /** Absent on a page without a client. */
  readonly Turbo?: {
    readonly config: { forms: { submitter: 'disabled' | 'aria-disabled' } }
    readonly renderStreamMessage: (html: string) => void
  }
}
