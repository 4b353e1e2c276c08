/** The two packages of Hotwire carry no types; this is all that we touch of them. */
declare module '@hotwired/turbo' {
  export const config: { forms: { submitter: 'disabled' | 'aria-disabled' } }
}

declare module '@hotwired/turbo-rails' {
  export const Turbo: typeof import('@hotwired/turbo')
}

declare module 'rails/turbo.min.js' {
  export { Turbo } from '@hotwired/turbo-rails'
}
