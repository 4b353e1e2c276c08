/** The client on the page of the Rails application: turbo.min.js as Rails ships it, served from the gem. */
import 'rails/turbo.min.js'
import '../../client/hotcable-status.js'
