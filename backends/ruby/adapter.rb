# frozen_string_literal: true

# Answers questions about hotcable.rb, a JSON line each: npm run check:backend -- ruby backends/ruby/adapter.rb

require_relative "hotcable"

POSITIONAL = {
  "sign_stream" => %i[stream], "issue_token" => %i[identity], "stream_from" => %i[stream position],
  "script_tag" => [], "turbo_stream" => %i[action target html attributes], "broadcast_key" => [], "position" => [], "broadcast" => %i[stream html]
}.freeze

$stdin.binmode.each_line do |line|
  ask = JSON.parse(line.force_encoding("UTF-8")).transform_keys(&:to_sym)
  name = ask.delete(:do)
  arguments = [*POSITIONAL.fetch(name).map { |key| ask.delete(key) }, *ask.delete(:streams)]
  puts JSON.generate({ result: Hotcable.public_send(name, *arguments, **ask) })
rescue StandardError => e
  puts JSON.generate({ error: e.message })
ensure
  $stdout.flush
end
