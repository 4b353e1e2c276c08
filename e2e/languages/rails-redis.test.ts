/** An app with anycable-rails and turbo-rails broadcasts by Redis, as the gem does by default, and this cable serves its pages. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { LANGUAGES } from '../../backends/harness/languages.ts'
import { RUBY_REDIS } from '../../backends/harness/libraries.ts'
import { missing } from '../../backends/harness/toolchain.ts'
import { startTurboCable } from '../../testing/cable.ts'
import { connect, turboIdentifier } from '../../testing/client.ts'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'

const SECRET = 'canary-rails-redis'

/** Prints the signed name, waits for a line, and broadcasts: Turbo after a commit, and Action Cable. */
const APP = `
Gem.paths = { "GEM_PATH" => [File.expand_path("tmp/gems"), *Gem.path].join(File::PATH_SEPARATOR) }
%w[railties activerecord actioncable turbo-rails].each { |name| gem name }
require "rails"
require "active_record/railtie"
require "active_job/railtie"
require "action_controller/railtie"
require "action_view/railtie"
require "action_cable/engine"
require "turbo-rails"
require "anycable-rails-core"

class App < Rails::Application
  config.eager_load = false
  config.logger = ActiveSupport::Logger.new($stderr, level: :warn)
  config.secret_key_base = "canary"
  config.turbo.signed_stream_verifier_key = ENV.fetch("ANYCABLE_SECRET")
  config.action_cable.cable = { "adapter" => "any_cable" }
  config.active_job.queue_adapter = :inline
end
App.initialize!

ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define { create_table(:cards) { |t| t.string :body } }
class Card < ActiveRecord::Base
  after_create_commit -> { broadcast_append_to("board", target: "cards", html: "<li>#{body}</li>") }
end

warn AnyCable.broadcast_adapter.class
puts Turbo::StreamsChannel.signed_stream_name("board")
$stdout.flush
gets
Card.create!(body: "Zoë")
ActionCable.server.broadcast("board", "<turbo-stream action='refresh'></turbo-stream>")
`

for (const [adapter, settings] of [
  ['redis', {}],
  ['redisx', { ANYCABLE_BROADCAST_ADAPTER: 'redisx' }],
] as const) {
  test(`a Rails app ${adapter === 'redis' ? 'without a setting' : 'with redisx'} broadcasts to the pages of this cable`, {
    skip: NO_REDIS,
  }, async t => {
    for (const tool of [LANGUAGES.rails, RUBY_REDIS])
      if (!(await tool.isPresent())) {
        console.error(`\n!!! ${missing(tool)}\n`)
        return t.skip(`${tool.title} is not here`)
      }
    const redis = await startRedis(t)
    const cable = await startTurboCable(SECRET, [
      ...['--noauth', `--broadcast_adapter=http,${adapter}`, `--redis_url=${redis.url}`],
    ])
    t.after(() => cable.stop())
    const env = {
      ...process.env,
      ...settings,
      ANYCABLE_SECRET: SECRET,
      REDIS_URL: redis.url,
      DATABASE_URL: 'sqlite3::memory:',
    }
    const running = promisify(execFile)('ruby', ['-e', APP], { env, timeout: 100_000 })
    const { stdin, stdout } = running.child
    const signed = await new Promise<string>(resolve => stdout!.once('data', data => resolve(String(data).trim())))
    const page = await connect(t, cable.url)
    await page.welcomed()
    await page.confirmed(turboIdentifier(signed))
    stdin!.end('\n')

    assert.match(
      String((await page.next()).message),
      /^<turbo-stream action="append" target="cards"><template><li>Zoë<\/li><\/template><\/turbo-stream>$/,
    )
    assert.equal((await page.next()).message, "<turbo-stream action='refresh'></turbo-stream>")
    const { stderr } = await running
    assert.match(stderr, adapter === 'redis' ? /^AnyCable::BroadcastAdapters::Redis$/m : /::Redisx$/m)
  })
}
