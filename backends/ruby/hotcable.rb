# frozen_string_literal: true

# Hotcable for Ruby (3.0 or later): sign a stream name, issue a token, send HTML. Copy this one file.
#
# ANYCABLE_SECRET is the one setting needed; arguments win; backends/README.md has the rest. In this order nothing is
# lost between query and subscription. Commit first: a page that hears of a change too early reads the old data.
#
#     position = Hotcable.position("board/1")                            # how far its streams are
#     cards = query                                                      # the data
#     head = Hotcable.meta_tags({ visitor: "7" })                        # the client's identity
#     body = Hotcable.stream_from("board/1", position) + render(cards)   # the stream it listens to
#
#     Hotcable.broadcast("board/1", Hotcable.turbo_stream("append", "cards", "<li>Hello</li>"))

require "erb"
require "json"
require "net/http"
require "openssl"
require "securerandom"

module Hotcable
  # The cable did not take a broadcast. The message has its status and reason, or why it did not answer.
  class BroadcastFailed < StandardError; end

  TURBO_STREAM = "text/vnd.turbo-stream.html; charset=utf-8" # the type of an answer that holds turbo_stream tags
  CABLE = "ws://localhost:8080/cable"
  private_constant :CABLE

  class << self
    # A JWT with the identity, for ttl seconds from now (Unix time). An error without a secret, or if text is not UTF-8.
    def issue_token(identity, secret: nil, ttl: 3600, now: nil)
      key = secret(secret, "ANYCABLE_JWT_SECRET", "ANYCABLE_SECRET")
      claims = JSON.generate({ ext: json(identity), exp: (now || Time.now).to_i + ttl })
      unsigned = "#{base64url('{"alg":"HS256","typ":"JWT"}')}.#{base64url(claims)}"
      "#{unsigned}.#{base64url(OpenSSL::HMAC.digest("SHA256", key, unsigned))}"
    end

    # A stream's name with the proof that a client may listen to it; with expires_in, for so many seconds from now, in
    # Rails' envelope, which anycable-go refuses. An error without a secret, or if the name is not UTF-8.
    def sign_stream(stream, secret: nil, expires_in: nil, now: nil)
      key = secret(secret, "ANYCABLE_TURBO_STREAMS_SECRET", "ANYCABLE_STREAMS_SECRET", "ANYCABLE_SECRET")
      exp = Time.at((now || Time.now).to_i + expires_in.to_i).utc.strftime("%FT%T.000Z") if expires_in
      name = exp ? { _rails: { data: utf8(stream), exp: exp } } : utf8(stream)
      encoded = [JSON.generate(name)].pack("m0")
      "#{encoded}--#{OpenSSL::HMAC.hexdigest("SHA256", key, encoded)}"
    end

    # How far the cable is, "<offset>/<epoch>"; ask once for a page, before its queries: one position is valid for all
    # streams, and their names may be left out. "-", unknown, on any failure or after 250 ms.
    def position(*streams, url: nil, key: nil)
      query = streams.map { |stream| "stream=#{ERB::Util.url_encode(stream)}" }.join("&")
      query = "" if query.size > 4000 # a longer request may be refused, and the names are optional
      status, body = request("GET", "/position", query, nil, url, key, 0.25)
      known = status == 200 ? JSON.parse(body)["position"] : "-"
      known.match?(%r{\A[0-9]+/[A-Za-z0-9_-]+\z}) ? known : "-"
    rescue StandardError # a page without a position still works; a page that fails does not
      "-"
    end

    # The tag that subscribes a page to a stream, from the position it was made at. ArgumentError without a secret.
    def stream_from(stream, position, secret: nil, expires_in: nil, now: nil)
      signed = sign_stream(stream, secret: secret, expires_in: expires_in, now: now)
      # The id changes with the position: a morph then replaces the element, and the new one subscribes.
      id = "cable-#{signed[-64, 8]}-#{position.tr("/", "-")}"
      tag = { "id" => id, "data-position" => position, "channel" => "Turbo::StreamsChannel" }
      "#{tag("turbo-cable-stream-source", tag.merge("signed-stream-name" => signed))}</turbo-cable-stream-source>"
    end

    # The tag that subscribes a page to one stream or several by server-sent events, for which Turbo needs no other
    # script. url is by default /events on the cable's host; secret is for names and token. ArgumentError without.
    def source_tag(streams, position, identity, url: nil, secret: nil, ttl: 3600, expires_in: nil, now: nil)
      names = Array(streams).map { |stream| sign_stream(stream, secret: secret, expires_in: expires_in, now: now) }
      token = issue_token(identity, secret: secret, ttl: ttl, now: now)
      cable = first_of(ENV["ANYCABLE_WEBSOCKET_URL"], CABLE)
      url = first_of(url, cable.sub(%r{\Aws(s?://[^/?#]*).*}mi, 'http\1/events'))
      query = URI.encode_www_form(turbo_signed_stream_name: names, position: position, jid: token)
      src = "#{url}#{url.include?("?") ? "&" : "?"}#{query}"
      tag = { id: "source-#{names[0][-64, 8]}-#{position.tr("/", "-")}", src: src }
      "#{tag("turbo-stream-source", tag)}</turbo-stream-source>"
    end

    # Three <meta> tags for a page's head: where the cable is, and issue_token's token. ArgumentError without a secret.
    def meta_tags(identity, url: nil, secret: nil, ttl: 3600, now: nil)
      url = first_of(url, ENV["ANYCABLE_WEBSOCKET_URL"], CABLE)
      token = issue_token(identity, secret: secret, ttl: ttl, now: now)
      with_token = "#{url}#{url.include?("?") ? "&" : "?"}jid=#{token}" # all that @hotwired/turbo-rails reads
      tags = { "action-cable-url" => with_token, "cable-url" => url, "cable-token" => token }
      tags.map { |name, content| tag("meta", { name: name, content: content }) }.join("\n")
    end

    # The <script> tag that loads hotcable.js from the cable. A url that ends in .js is the script's, any
    # other the cable's. nonce is the page's, for its Content-Security-Policy; with drive: false Turbo has no Drive.
    def script_tag(url: nil, nonce: nil, drive: true)
      url = first_of(url, ENV["ANYCABLE_WEBSOCKET_URL"], CABLE)
      path, query = url.match(/\A([^?#]*)([^#]*)/).captures
      cable = "#{path.sub(%r{/+\z}, "").sub(%r{\Aws(?=s?://)}i, "http")}/hotcable.js"
      src = path.end_with?(".js") ? path + query : cable
      src += "#{src.include?("?") ? "&" : "?"}drive=off" unless drive
      "#{tag("script", { type: "module", src: src, nonce: nonce == "" ? nil : nonce })}</script>"
    end

    # A <turbo-stream> tag, as ("append", "cards", "<li>Hi</li>"). html goes in as it is: escape typed text.
    def turbo_stream(action, target = nil, html = "", attributes = {})
      tag = attributes.merge("action" => action, "target" => action == "refresh" ? nil : target)
      template = %w[remove refresh].include?(action) ? "" : "<template>#{text(html)}</template>"
      "#{tag("turbo-stream", tag)}#{template}</turbo-stream>"
    end

    # Whether the Accept header of a request says that Turbo sent it: a form may be answered by turbo_stream tags.
    def wants_turbo_stream(accept)
      accept.to_s.match?(%r{(?:\A|,)\s*text/vnd\.turbo-stream\.html\s*(?:[;,]|\z)}i)
    end

    # The key for broadcasts that the cable derives from its secret. ArgumentError without a secret.
    def broadcast_key(secret: nil)
      derived("broadcast-cable", secret)
    end

    # The JSON text of a broadcast, with a new id: for publish, or an outbox. An error if the name is not UTF-8.
    def publication(stream, html, exclude: nil, transient: false, latest: nil)
      meta = { id: SecureRandom.urlsafe_base64(16), exclude_socket: first_of(text(exclude)) }
      meta.update(transient: transient ? true : nil, key: first_of(latest))
      JSON.generate({ stream: utf8(stream), data: JSON.generate(text(html)), meta: meta.compact })
    end

    # Sends HTML to all subscribers but the client whose X-Socket-ID is exclude, in timeout seconds. Commit first. The
    # cable replays none that is transient, and only the newest of those with one name in latest. Raises
    # BroadcastFailed, and no other error, if the cable did not take it. Without an answer, or after a 5xx, tries again
    # retries times, after 0.1, 0.3, 0.9 and then every 2 s, not before the answer's Retry-After, with the same id.
    def broadcast(stream, html, exclude: nil, transient: false, latest: nil, url: nil, key: nil, timeout: 5, retries: 0)
      post(url, key, timeout, retries) { publication(stream, html, exclude: exclude, transient: transient, latest: latest) }
    end

    # Sends publications in one request: all of them or none. Fails and tries again as broadcast does.
    def publish(*publications, url: nil, key: nil, timeout: 5, retries: 0)
      post(url, key, timeout, retries) { "[#{publications.join(",")}]" }
    end

    # Ends all connections of an identity; without reconnect its clients stay away until their page is loaded again. A
    # token stays valid until it expires. Fails and tries again as broadcast does.
    def disconnect(identity, reconnect: true, url: nil, key: nil, timeout: 5, retries: 0)
      post(url, key, timeout, retries) do
        JSON.generate({ command: "disconnect", payload: { identifier: json(identity), reconnect: reconnect } })
      end
    end

    # The answer to a cable that asks whether a client may listen to a stream (--subscribe_url): status and JSON. allow,
    # a lambda, gets identity, stream and headers, and returns true, false, or the Unix time until which it may. An error
    # of allow is your answer 500: the cable asks again. ArgumentError without a key or a secret.
    def answer_subscribe(authorization, body, allow, key: nil, secret: nil, now: nil)
      right = "Bearer #{first_of(key, ENV["HOTCABLE_SUBSCRIBE_KEY"]) || derived("subscribe-cable", secret)}"
      given, expected = [utf8(authorization), right].map { |text| OpenSSL::Digest::SHA256.digest(text) }
      return [401, '{"error":"unauthorized"}'] unless OpenSSL.fixed_length_secure_compare(given, expected)

      asked = object_in(utf8(body))
      identity, stream = asked&.values_at("identity", "stream")
      return [422, '{"error":"malformed"}'] unless identity.is_a?(String) && stream.is_a?(String)

      allowed = allow.call(object_in(identity) || identity, stream, asked["headers"] || {})
      return [200, JSON.generate({ allowed: allowed })] if [true, false].include?(allowed)

      until_time = Integer(allowed)
      is_later = until_time > (now || Time.now).to_i
      [200, JSON.generate(is_later ? { allowed: true, until: until_time } : { allowed: false })]
    end

    private

    def derived(phrase, secret) = OpenSSL::HMAC.hexdigest("SHA256", secret(secret, "ANYCABLE_SECRET"), phrase)

    def object_in(text)
      value = JSON.parse(text)
      value if value.is_a?(Hash)
    rescue JSON::ParserError
      nil
    end

    def post(url, key, timeout, retries)
      status, reason = nil
      begin
        body = yield
        (0..).each do |tried|
          status, reason, after = request("POST", "", "", body, url, key, timeout)
          return if status == 201

          busy = status == "nothing" || status >= 500 || (status == 429 && after >= 0)
          break if !busy || tried >= retries || after > (retries - tried) * timeout

          sleep [[0.1 * 3**tried, 2].min, after].max
        end
      rescue StandardError => e # for example, a name that is not UTF-8
        raise BroadcastFailed, "the cable was not asked: #{text(e.message)}"
      end
      raise BroadcastFailed, "the cable answered #{status}: #{reason[0, 200]}"
    end

    def json(identity)
      JSON.generate(identity.transform_values { |value| value.is_a?(String) ? utf8(value) : value })
    end

    def secret(secret, *names)
      secret = first_of(*ENV.values_at(*names)) if secret.nil?
      # An empty key protects nothing.
      secret.to_s.empty? ? raise(ArgumentError, "no secret: set #{names.join(" or ")}") : utf8(secret)
    end

    def first_of(*values)
      values.map { |value| utf8(value) }.find { |value| !value.empty? }
    end

    # Rack gives binary strings, and the environment of the C locale ASCII ones: both hold UTF-8.
    def utf8(text, **how)
      bytes = [Encoding::BINARY, Encoding::US_ASCII].include?(text.to_s.encoding)
      bytes ? text.to_s.dup.force_encoding("UTF-8") : text.to_s.encode("UTF-8", **how)
    end

    # Replaces invalid UTF-8 with U+FFFD.
    def text(text)
      utf8(text, invalid: :replace, undef: :replace).scrub
    end

    def base64url(bytes) = [bytes].pack("m0").tr("+/", "-_").delete("=")

    def tag(name, attributes)
      escapes = { "&" => "&amp;", "<" => "&lt;", ">" => "&gt;", '"' => "&quot;" }
      pairs = attributes.compact.map { |key, value| %( #{key}="#{text(value).gsub(/[&<>"]/, escapes)}") }
      "<#{name}#{pairs.join}>"
    end

    # Status, text, and the seconds of Retry-After, -1 without.
    def request(method, path, query, body, url, key, timeout)
      derived = first_of(ENV["ANYCABLE_SECRET"]) ? broadcast_key : "none"
      key = first_of(key, ENV["ANYCABLE_BROADCAST_KEY"], derived)
      return ["nothing", "the broadcast key has a line break in it", -1] if key.match?(/[\r\n]/)

      port = key == "none" ? 8090 : 8080
      given = first_of(url, ENV["ANYCABLE_HTTP_BROADCAST_URL"])
      url = given || "http://localhost:#{port}/_broadcast"
      return ["nothing", "the URL must begin with http:// or https://", -1] unless url.match?(%r{\Ahttps?://}i)

      headers = { "Content-Type" => "application/json", "Accept-Encoding" => "identity" }
      headers["Authorization"] = "Bearer #{key}" if key != "none"
      shown = url.gsub(%r{(?<=//)[^/]*@|[?#].*}m, "") # both may be secret
      shown += " (ANYCABLE_SECRET is missing; with it the port is 8080)" unless given || port == 8080 || first_of(ENV["ANYCABLE_SECRET"])
      answer = ["nothing", "#{shown}: took more than #{timeout} s", -1]
      bound = method(:bound)
      # In a thread, because a socket's timeout starts anew with every byte and does not count the name server.
      work = Thread.new do
        uri = URI(url)
        http = Net::HTTP.new(uri.hostname, uri.port, nil) # nil: no proxy, whatever the environment says
        http.use_ssl = uri.scheme == "https"
        http.open_timeout = http.read_timeout = http.write_timeout = timeout
        http.max_retries = 0
        target = path.empty? ? uri.path : uri.path.sub(%r{/+\z}, "") + path
        target = "/" if target.empty?
        query = [uri.query.to_s, query].reject(&:empty?).join("&")
        target += "?#{query}" unless query.empty?
        asked = Net::HTTPGenericRequest.new(method, !body.nil?, true, target, headers)
        asked.define_singleton_method(:exec) do |link, *rest|
          bound.call(link.io)
          super(link, *rest)
        rescue SystemCallError, OpenSSL::SSL::SSLError
          nil # a cable may answer and hang up before it has read a long body
        end
        http.request(asked, body) do |response|
          answer = [response.code.to_i, reason = +"", response["Retry-After"].to_s[/\A\d+\z/]&.to_i || -1]
          response.read_body { |part| reason << part }
        end
      rescue URI::InvalidURIError # it would show the query
        answer = ["nothing", "#{shown}: not a URL", -1]
      rescue StandardError => e
        answer = ["nothing", "#{shown}: #{e.message}", -1] if answer.first == "nothing"
      end
      work.report_on_exception = false
      work.join(timeout) || work.raise(IOError, "took more than #{timeout} s") # not kill, which leaves the socket open
      answer.map { |part| part.is_a?(String) ? text(part) : part }
    end

    # A useful answer is shorter; net/http would keep all of a longer one.
    def bound(io)
      left = 65_536
      io.define_singleton_method(:read_nonblock) do |*given, **how|
        data = super(*given, **how)
        left -= data.bytesize if data.is_a?(String)
        left.negative? ? raise(IOError, "the answer is too long") : data
      end
    end
  end
end
