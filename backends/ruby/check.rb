# frozen_string_literal: true

# Checks hotcable.rb against the shared vectors, and its requests against a server on this machine: ruby check.rb

require "minitest/autorun"
require "socket"
require_relative "hotcable"

ENV.delete_if { |name, _| name.start_with?("ANYCABLE_") }
# The helper must not use a proxy of the environment: nothing listens there, so a request would fail.
ENV.update("http_proxy" => "http://127.0.0.1:9", "no_proxy" => nil)

# As in the vectors: ID stands for an id, which is random.
def without_id(body)
  body.gsub(/"meta":\{"id":"[A-Za-z0-9_-]{22}"/, '"meta":{"id":"ID"')
end

# Answers as the test sets, and records the requests.
class Cable
  attr_accessor :answer
  attr_reader :asked, :url

  def initialize
    server = TCPServer.new("127.0.0.1", 0)
    @url = "http://127.0.0.1:#{server.addr[1]}/_broadcast"
    @asked = []
    Thread.new { loop { Thread.new(server.accept) { |client| serve(client) } } }
  end

  def serve(client)
    head = client.gets("\r\n\r\n").force_encoding("UTF-8")
    headers = head.scan(/^([^:\r\n]+): (.*)\r$/).to_h.transform_keys(&:downcase)
    body = client.read(headers["content-length"].to_i).force_encoding("UTF-8")
    asked << [*head.split.first(2), headers, without_id(body)]
    status, text = answer
    sleep if status == "silent"
    # A byte every 50 ms, for long: no single read of a client ever waits.
    "HTTP/1.1 200 OK\r\nX: #{"x" * 200}".each_char { |c| client.write(c) && sleep(0.05) } if status == "drips"
    client.write("HTTP/1.1 #{status} X\r\nLocation: #{url}/x\r\nContent-Length: #{text.bytesize}\r\n\r\n#{text}")
  rescue SystemCallError
    # The helper hung up, as some tests expect.
  ensure
    client.close
  end
end

CABLE = Cable.new
REFUSING = "http://127.0.0.1:#{TCPServer.open("127.0.0.1", 0) { |server| server.addr[1] }}/_broadcast"

class Check < Minitest::Test
  # One test for each case, so that the closing line counts cases.
  def self.check(title, &body)
    raise "two tests are called #{title}" if method_defined?("test_#{title}")

    define_method("test_#{title}", &body)
  end

  def self.vectors(name)
    JSON.parse(File.read("#{__dir__}/../vectors/#{name}.json", encoding: "UTF-8"))
  end

  def setup
    CABLE.answer = [201, ""]
    CABLE.asked.clear
  end

  @@passed = @@failed = 0
  def teardown
    passed? ? @@passed += 1 : @@failed += 1
  end
  Minitest.after_run { puts "#{@@passed} passed, #{@@failed} failed" }

  def with_env(env)
    ENV.update(env)
    yield
  ensure
    env.each_key { |name| ENV.delete(name) }
  end

  def authorization
    CABLE.asked.last[2]["authorization"]
  end

  tokens = vectors("tokens")
  tokens["produce"].each do |c|
    check "tokens: #{c["id"]}" do
      secret = c["secret"] || tokens["secret"]
      assert_equal c["token"], Hotcable.issue_token(c["identity"], secret: secret, ttl: c["ttl"], now: c["now"])
    end
  end

  streams = vectors("signed-streams")
  (streams["sign"] + streams["refuse"].select { |c| c["expires_in"] }).each do |c|
    check "signed streams: #{c["id"]}" do
      secret = c["secret"] || streams["secret"]
      expiry = { expires_in: c["expires_in"], now: c["now"] }
      assert_equal c["signed"], Hotcable.sign_stream(c["stream"], secret: secret, **expiry)
      assert_equal c["signed"], Hotcable.sign_stream(c["stream"].b, secret: secret.b, **expiry)
    end
  end

  tags = vectors("tags")
  tags["produce"].each do |c|
    check "tags: #{c["id"]}" do
      secret = c["secret"] || tags["secret"]
      html =
        case c["make"]
        when "stream_from"
          expiry = { expires_in: c["expires_in"], now: c["now"] }
          Hotcable.stream_from(c["stream"], c["position"], secret: secret, **expiry)
        when "source_tag"
          given = c.slice("url", "ttl", "expires_in", "now").transform_keys(&:to_sym)
          Hotcable.source_tag(*c.values_at("streams", "position", "identity"), secret: secret, **given)
        when "meta_tags" then Hotcable.meta_tags(c["identity"], secret: secret, **c.slice("url", "ttl", "now").transform_keys(&:to_sym))
        when "script_tag" then Hotcable.script_tag(**c.slice("url", "nonce", "drive").transform_keys(&:to_sym))
        else Hotcable.turbo_stream(*c.values_at("action", "target", "content", "attributes"))
        end
      assert_equal c["html"], html
    end
  end

  broadcasts = vectors("broadcasts")
  broadcasts["produce"].each do |c|
    check "broadcasts: #{c["id"]}" do
      given = c.slice("exclude", "transient", "latest").transform_keys(&:to_sym)
      made = Array.new(2) { Hotcable.publication(c["stream"], c["html"], **given) }
      assert_equal [c["body"]] * 2, made.map { |text| without_id(text) }
      refute_equal(*made)
      Hotcable.broadcast(c["stream"], c["html"], url: CABLE.url, **given)
      method, path, headers, body = CABLE.asked.last
      assert_equal ["POST", "/_broadcast", "application/json", c["body"]], [method, path, headers["content-type"], body]
    end
  end

  tags["answers"].each do |c|
    check c["id"] do
      assert_equal c["type"], Hotcable.wants_turbo_stream(c["accept"]) ? Hotcable::TURBO_STREAM : ""
    end
  end

  subscribes = vectors("subscribes")
  ask = lambda do |c, allow|
    Hotcable.answer_subscribe(c["authorization"], c["body"], allow, key: c["key"], now: c["now"],
                                                                    secret: c["secret"] || subscribes["secret"])
  end
  subscribes["questions"].each do |c|
    check "asked: #{c["id"]}" do
      seen = []
      answer = ask.call(c, lambda { |*asked|
        seen << JSON.generate(asked)
        c["allow"]
      })
      assert_equal c["answer"], [*answer, *seen].join(" ")
    end
  end

  check "an error of allow, and what is neither a boolean nor a time, is no answer" do
    question = subscribes["questions"].first
    [nil, "true", :allowed].each { |wrong| assert_raises(ArgumentError, TypeError) { ask.call(question, ->(*) { wrong }) } }
    assert_raises(ZeroDivisionError) { ask.call(question, ->(*) { 1 / 0 }) }
  end

  broadcasts["lists"].each do |c|
    check "lists: #{c["id"]}" do
      Hotcable.publish(*c["publications"], url: CABLE.url)
      assert_equal c["body"], CABLE.asked.last.last
    end
  end

  broadcasts["disconnects"].each do |c|
    check "disconnects: #{c["id"]}" do
      Hotcable.disconnect(c["identity"], reconnect: c["reconnect"], url: CABLE.url)
      assert_equal c["body"], CABLE.asked.last.last
    end
  end

  check "the socket ID of a client never keeps a broadcast back" do
    ["", nil, "\xff"].each { |exclude| Hotcable.broadcast("x", "y", exclude: exclude, url: CABLE.url) }
    metas = CABLE.asked.map { |asked| JSON.parse(asked.last)["meta"]["exclude_socket"] }
    assert_equal [nil, nil, "\ufffd"], metas
  end

  broadcasts["not_utf8"].each do |c|
    bytes = [c["hex"]].pack("H*")
    [bytes, bytes.dup.force_encoding("UTF-8")].each do |text|
      check "not UTF-8: #{c["id"]}, said to be #{text.encoding}" do
        assert_equal c["html"], Hotcable.turbo_stream("append", text, text)
        Hotcable.broadcast("board/1", text, url: CABLE.url)
        assert_equal [c["body"]], CABLE.asked.map(&:last)
        assert_raises(Hotcable::BroadcastFailed) { Hotcable.broadcast(text, "x", url: CABLE.url) }
        assert_raises(Hotcable::BroadcastFailed) { Hotcable.broadcast("x", "x", latest: text, url: CABLE.url) }
        assert_raises(JSON::GeneratorError) { Hotcable.sign_stream(text, secret: "s") }
        assert_raises(JSON::GeneratorError) { Hotcable.issue_token({ name: text }, secret: "s") }
        assert_equal 1, CABLE.asked.size
      end
    end
  end

  check "not UTF-8: bytes that another encoding does not know" do
    Hotcable.broadcast("board/1", "a\x81".dup.force_encoding("Windows-1252"), url: CABLE.url)
    assert_includes CABLE.asked.last.last, "a\ufffd"
  end

  broadcasts["targets"].each do |c|
    check "target: #{c["id"]}" do
      url = CABLE.url.sub("/_broadcast", c["url"])
      Hotcable.broadcast("x", "y", url: url)
      assert_equal "-", Hotcable.position(*c["streams"], url: url)
      assert_equal c.values_at("post", "get"), CABLE.asked.map { |asked| asked[1] }
    end
  end

  broadcasts["keys"].each do |c|
    check "key #{c["id"]}" do
      with_env("ANYCABLE_SECRET" => c["secret"]) { Hotcable.broadcast("x", "y", url: CABLE.url) }
      assert_equal "Bearer #{c["key"]}", authorization
    end
  end

  not_201, answers = (broadcasts["accept"] + broadcasts["refuse"]).partition { |c| c["flag"] == "not_201" }
  answers.each do |c|
    check "answers: #{c["id"]}" do
      CABLE.answer = c.values_at("status", "answer")
      expected = c.fetch("position", "-")
      found = nil
      6.times do # a busy machine may take longer than the 250 ms of a page
        found = Hotcable.position("a/é&b+", url: CABLE.url, key: "s3cret")
        break if found == expected
      end
      assert_equal expected, found
      method, path = CABLE.asked.last
      assert_equal ["GET", "/_broadcast/position?stream=a%2F%C3%A9%26b%2B"], [method, path]
      assert_equal "Bearer s3cret", authorization
    end
  end

  not_201.each do |c|
    check "answers: #{c["id"]}" do
      CABLE.answer = c.values_at("status", "answer")
      error = assert_raises(Hotcable::BroadcastFailed) { Hotcable.broadcast("x", "y", url: CABLE.url, key: "s3cret") }
      assert_includes error.message, c["status"].to_s
      assert_includes error.message, c["answer"] unless c["status"] == 204
      refute_includes error.message, "s3cret"
      assert_equal 1, CABLE.asked.size
    end
  end

  settings = vectors("settings")
  settings["produce"].each do |c|
    check "settings: #{c["id"]}" do
      with_env(c["env"]) do
        case c["call"]
        when "sign_stream" then assert_equal c["result"], Hotcable.sign_stream("board/1")
        when "issue_token" then assert_equal c["result"], Hotcable.issue_token({ visitor: "7" }, now: 1_700_000_000)
        when "meta_tags" then assert_includes Hotcable.meta_tags({}).lines(chomp: true), c["result"]
        when "script_tag" then assert_equal c["result"], Hotcable.script_tag
        when "answer_subscribe"
          answer = Hotcable.answer_subscribe("Bearer #{c["result"]}", '{"identity":"","stream":""}', ->(*) { true })
          assert_equal 200, answer.first
        else
          Hotcable.broadcast("x", "y", url: CABLE.url)
          c["result"] ? assert_equal(c["result"], authorization) : assert_nil(authorization)
        end
      end
    end
  end

  settings["refuse"].each do |c|
    check "settings: #{c["id"]}" do
      error = with_env(c["env"]) do
        subject = c["call"] == "sign_stream" ? "board/1" : {}
        assert_raises(ArgumentError) { Hotcable.public_send(c["call"], subject, secret: c["secret"]) }
      end
      c["names"].each { |name| assert_match(/\b#{name}\b/, error.message) }
    end
  end

  {
    "a cable that is down" => [REFUSING, nil],
    "a cable that never answers" => [CABLE.url, ["silent"]],
    "a cable that drips bytes" => [CABLE.url, ["drips"]],
    "a host that does not exist" => ["http://cable.invalid/_broadcast", nil],
    "an invalid URL" => ["cable:8080", nil]
  }.each do |title, (url, answer)|
    check "requests: #{title}" do
      CABLE.answer = answer
      start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      took = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) - start }
      assert_equal "-", Hotcable.position("board/1", url: url)
      assert_operator took.call, :<, 4

      assert_raises(Hotcable::BroadcastFailed) { Hotcable.broadcast("board/1", "x" * 100_000, url: url, timeout: 0.3) }
      assert_operator took.call, :<, 8
    end
  end

  {
    "an object" => { html: Class.new { undef to_s }.new }, "a URL that is a number" => { url: 5 },
    "half an address" => { url: "http://[" }, "an invalid port" => { url: "http://127.0.0.1:99999/" },
    "a URL with a space" => { url: "http://a b/" }, "a time that is a word" => { timeout: "soon" },
    "a nil for a number" => { retries: nil }
  }.each do |title, wrong|
    check "requests: #{title}" do
      options = { stream: "x", html: "y", url: REFUSING, **wrong }
      given = [options.delete(:stream), options.delete(:html)]
      assert_raises(Hotcable::BroadcastFailed) { Hotcable.broadcast(*given, **options) }
    end
  end

  check "requests: a key with a line break" do
    key = "s3cret\nX-Injected: 1"
    error = assert_raises(Hotcable::BroadcastFailed) { Hotcable.broadcast("x", "y", url: CABLE.url, key: key) }
    assert_empty CABLE.asked
    refute_includes error.message, "s3cret"
  end

  check "requests: the URL of the environment" do
    with_env("ANYCABLE_HTTP_BROADCAST_URL" => "#{CABLE.url}/mine") { Hotcable.broadcast("x", "y") }
    assert_equal "/_broadcast/mine", CABLE.asked.last[1]
  end
end
