/**
 * The other client (`?client=rails`): @hotwired/turbo-rails, the package from npm. It opens its connection by itself, with
 * the URL and token of the page's meta tag; hotcable-status.js only listens in, and brings a new token in time.
 */
import '@hotwired/turbo-rails'
import './hotcable-status.js'
