/**
 * The other client (`?client=rails`): @hotwired/turbo-rails, the package from npm. It opens its connection with the URL and
 * token of the page's meta tag; hotcable-status.js listens to it, and gives it a new token when one expires.
 */
import '@hotwired/turbo-rails'
import '../../client/hotcable-status.js'
