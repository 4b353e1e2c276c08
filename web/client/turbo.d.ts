/** The two packages of Hotwire carry no types; this is all that we touch of them. */
declare module '@hotwired/turbo' {
  export const config: { forms: { submitter: 'disabled' | 'aria-disabled' } }
}

declare module '@hotwired/turbo-rails'
