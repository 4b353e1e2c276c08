# frozen_string_literal: true

# Answers questions about hotcable.rb, a JSON line each: npm run check:backend -- ruby backends/ruby/adapter.rb

require_relative "hotcable"

POSITIONAL = {
  "sign_stream" => %i[stream], "issue_token" => %i[identity], "stream_from" => %i[stream position],
  "source_tag" => %i[streams position identity], "script_tag" => [],
  "turbo_stream" => %i[action target html attributes], "wants_turbo_stream" => %i[accept], "broadcast_key" => [],
  "position" => [], "publication" => %i[stream html], "broadcast" => %i[stream html], "publish" => [],
  "disconnect" => %i[identity], "answer_subscribe" => %i[authorization body allow]
}.freeze

$stdin.binmode.each_line do |line|
  ask = JSON.parse(line.force_encoding("UTF-8")).transform_keys(&:to_sym)
  name = ask.delete(:do)
  seen = []
  allowed = ask[:allow]
  ask[:allow] = ->(*given) { seen << JSON.generate(given) && allowed } if name == "answer_subscribe"
  arguments = [*POSITIONAL.fetch(name).map { |key| ask.delete(key) }, *ask.delete(:streams), *ask.delete(:publications)]
  result = Hotcable.public_send(name, *arguments, **ask)
  result = result ? Hotcable::TURBO_STREAM : "" if name == "wants_turbo_stream"
  result = [*result, *seen].join(" ") if name == "answer_subscribe"
  puts JSON.generate({ result: result })
rescue StandardError => e
  puts JSON.generate({ error: e.message })
ensure
  $stdout.flush
end
