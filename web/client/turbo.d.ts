/** The two packages of Hotwire carry no types; this is all that we touch of them. */
declare module '@hotwired/turbo' {}

declare module '@hotwired/turbo-rails' {}

declare module 'rails/turbo.min.js' {}

interface Window {
  /** Absent on a page without a client. */
  readonly Turbo?: { readonly config: { forms: { submitter: 'disabled' | 'aria-disabled' } } }
}
