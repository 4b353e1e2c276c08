# frozen_string_literal: true

# Signs on demand, for e2e/languages.test.ts: a JSON line with a question in, a JSON line with the result out.

require_relative "hotcable"

$stdin.binmode.each_line do |line|
  ask = JSON.parse(line.force_encoding("UTF-8"))
  result =
    case ask["do"]
    when "sign_stream" then Hotcable.sign_stream(ask["stream"], secret: ask["secret"])
    when "issue_token" then Hotcable.issue_token(ask["identity"], secret: ask["secret"], ttl: ask["ttl"])
    when "stream_from" then Hotcable.stream_from(ask["stream"], ask["position"], secret: ask["secret"])
    when "turbo_stream" then Hotcable.turbo_stream(*ask.values_at("action", "target", "html", "attributes"))
    else raise ArgumentError, "do what?"
    end
  puts JSON.generate({ result: result })
rescue StandardError => e
  puts JSON.generate({ error: e.message })
ensure
  $stdout.flush
end
