# frozen_string_literal: true

# The Board in Ruby: a Rack application that renders HTML and broadcasts each change. It holds no sockets.
#
#     ANYCABLE_SECRET=… ruby backends/ruby/board.rb      http://127.0.0.1:3003
#
# The order is that of board.py and board.php: routes, broadcasts, the page, the store, the request, the server.
# Any Rack server runs Board; Puma is the one below. Its gems are named in the Gemfile beside it.

require "cgi/escape"
require "erb"
require "fileutils"
require "json"
require "puma"
require "puma/configuration"
require "puma/launcher"
require "rack"
require "securerandom"
require "sqlite3"
require_relative "hotcable"

module Board
  extend self

  LIST = File.expand_path("../languages.json", __dir__)
  # This one alone if its file was copied alone.
  LANGUAGES = File.exist?(LIST) ? JSON.parse(File.read(LIST, encoding: "UTF-8")) : { "ruby" => { "title" => "Ruby", "board" => {} } }
  NAMES = LANGUAGES.select { |_, row| row["board"] }.transform_values { |row| row["title"] }.freeze
  # Not blank, that is, not in Unicode's White_Space, nor U+FEFF: languages define a space differently.
  INK = /[^\t-\r \u{85}\u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}]/
  TEXT = { "content-type" => "text/plain; charset=utf-8" }.freeze

  # Route => method, and handler, which makes a change, broadcasts each changed row, and answers Turbo with the same.
  ROUTES = {
    "/" => ["GET", ->(request) { show(request) }],
    "/cards" => ["POST", lambda { |request| announce(request, :card_added, change(
      "INSERT INTO cards (body, author, backend) VALUES (?, ?, 'ruby') RETURNING *", *read_form(request))) }],
    "/cards/([0-9]+)/vote" => ["POST", lambda { |request, id| announce(request, :card_voted, change(
      "UPDATE cards SET votes = votes + 1 WHERE id = ? RETURNING *", id)) }],
    "/cards/([0-9]+)/delete" => ["POST", lambda { |request, id| announce(request, :card_deleted, change(
      "DELETE FROM cards WHERE id = ? RETURNING *", id)) }],
    "/clear" => ["POST", ->(request) { announce(request, :board_cleared, ->(db) { [db.execute("DELETE FROM cards")] }) }], # all: once
    "/health" => ["GET", ->(_) { [200, TEXT, "ok"] }],
  }.freeze

  def show(request)
    # The position first, then the data: a card written in between is on the page and replayed, which shows it once.
    # In the other order it would be in neither, and the page would stay wrong.
    position = Hotcable.position("board/1")
    cards = database { |db| db.execute("SELECT * FROM cards ORDER BY id") }
    query, cookies = utf8(request["QUERY_STRING"]), utf8(request["HTTP_COOKIE"])
    # Only the first value that this server may have written counts; it reads nothing else in these headers.
    known = cookies[/(?:^|;) *visitor=([0-9a-f]{16}) *(?:;|$)/, 1]
    asked = query[/(?:^|&)client=(anycable|rails)(?:&|$)/, 1]
    visitor = known || SecureRandom.hex(8)
    client = asked || cookies[/(?:^|;) *client=(anycable|rails) *(?:;|$)/, 1] || "anycable"
    headers = { "content-type" => "text/html; charset=utf-8", "cache-control" => "no-store" }
    { "visitor" => known ? nil : visitor, "client" => asked }.compact.each do |name, value|
      kept = { value: value, path: "/", httponly: true, same_site: :lax, max_age: 31_536_000 }
      Rack::Utils.set_cookie_header!(headers, name, kept)
    end
    [200, headers, page(request, cards, position, visitor, client)]
  end

  # One line per kind of change; no other place names a target.
  def card_added(card) = Hotcable.turbo_stream("append", "cards", card(card))
  def card_voted(card) = Hotcable.turbo_stream("replace", "card_#{card["id"]}", card(card), { method: "morph" })
  def card_deleted(card) = Hotcable.turbo_stream("remove", "card_#{card["id"]}")
  def board_cleared(_) = Hotcable.turbo_stream("refresh")

  def page(request, cards, position, visitor, client)
    assets = ERB::Util.h(setting("HOTCABLE_ASSETS", "/assets"))
    script = client == "rails" ? "rails" : "hotcable"
    items = cards.map { |card| card(card) }.join("\n")
    count = cards.one? ? "1 card" : "#{cards.size} cards"
    <<~HTML
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>Board · Ruby</title>
      <link rel="icon" href="#{assets}/icon.svg" type="image/svg+xml">
      <link rel="stylesheet" href="#{assets}/board.css">
      <meta name="turbo-refresh-method" content="morph">
      <meta name="turbo-refresh-scroll" content="preserve">
      #{Hotcable.meta_tags({ visitor: visitor }, url: cable_url(request))}
      <script type="module" src="#{assets}/#{script}.js" data-turbo-track="reload"></script>
      <script type="module" src="#{assets}/board.js" data-turbo-track="reload"></script>
      </head>
      <body data-backend="ruby">
      <header>
      <h1><a href="/">Hotcable</a></h1>
      <hotcable-status id="cable-status" role="status" data-turbo-permanent><span>offline</span></hotcable-status>
      <nav class="demo" aria-label="Demo">
      <a href="/" aria-current="true">Board</a>
      <a href="/people">People</a>
      <a href="/answer">Answer</a>
      <a href="/compare">Compare</a>
      </nav>
      <p class="rendered">Rendered by <span class="badge" data-backend="ruby">Ruby</span> <small>#{RUBY_VERSION}</small></p>
      <nav class="languages" aria-label="The same Board in other languages">
      #{links}
      </nav>
      </header>
      <main>
      #{Hotcable.stream_from("board/1", position)}
      <form class="add" action="cards" method="post">
      <label for="card-body">Card</label>
      <input id="card-body" name="body" dir="auto" required maxlength="500" autocomplete="off" placeholder="What should everyone see?" data-turbo-permanent>
      <label for="card-author">Name</label>
      <input id="card-author" name="author" dir="auto" maxlength="40" autocomplete="nickname" placeholder="Your name" data-turbo-permanent>
      <button>Add</button>
      </form>
      <p id="board-note" role="status" data-turbo-permanent></p>
      <ol id="cards">
      #{items}
      </ol>
      <p id="board-news" role="status" data-turbo-permanent></p>
      <p class="empty">No cards yet. <a href="" target="_blank">Open this page in a second window</a>, then write a card above: both show it at once.</p>
      <footer>
      <p><span id="card-count">#{count}</span> on the board</p>
      <details class="clear"><summary>Clear the board</summary><form action="clear" method="post"><button>Delete all cards</button></form></details>
      </footer>
      </main>
      </body>
      </html>
    HTML
  end

  def links
    NAMES.map do |name, title|
      path, current = name == "typescript" ? "/" : "/#{name}/", name == "ruby" ? ' aria-current="page"' : ""
      %(<a href="#{path}" data-backend="#{name}"#{current}>#{title}</a>)
    end.join("\n")
  end

  # The one partial for a card: the page renders it, and so does every stream.
  def card(card)
    id, body, author, backend, votes, at =
      card.values_at("id", "body", "author", "backend", "votes", "created_at").map { |value| ERB::Util.h(value) }
    <<~HTML.chomp
      <li id="card_#{id}" class="card" data-backend="#{backend}"><p class="body" dir="auto">#{body}</p><p class="by"><span class="author" dir="auto">#{author}</span> <span class="badge" data-backend="#{backend}">#{NAMES.fetch(backend, backend)}</span> <time datetime="#{at}">#{at[0, 10]} #{at[11, 5]} UTC</time></p><form action="cards/#{id}/vote" method="post"><button class="vote" aria-label="Vote, #{votes} so far">▲ <b class="votes">#{votes}</b></button></form><details class="delete"><summary aria-label="Delete this card">✕</summary><form action="cards/#{id}/delete" method="post"><button>Delete</button></form></details></li>
    HTML
  end

  def path = setting("HOTCABLE_DB", "data/board.sqlite3")

  def database
    begin
      FileUtils.mkdir_p(File.dirname(path))
    rescue SystemCallError # opening the database reports the problem
    end
    db = SQLite3::Database.new(path, results_as_hash: true)
    db.busy_handler { |tries| sleep(0.01) && tries < 500 } # not busy_timeout, which would stop all threads
    begin
      db.execute("PRAGMA journal_mode=WAL")
    rescue SQLite3::BusyException # another language is switching it just now
    end
    db.execute(<<~SQL)
      CREATE TABLE IF NOT EXISTS cards (
        id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, author TEXT NOT NULL, backend TEXT NOT NULL,
        votes INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')))
    SQL
    yield db
  ensure
    db&.close
  end

  # What one statement does; the rows it changes. An id stays text: SQLite compares it as a number of any size.
  def change(statement, *values) = ->(db) { db.execute(statement, values) }

  # Broadcasts the change of each row, but not to the page that made it: that page gets the same as its answer.
  def announce(request, happened, change)
    streams, outbox, exclude = [], !setting("HOTCABLE_OUTBOX", "").empty?, request["HTTP_X_SOCKET_ID"]
    database do |db|
      db.transaction(:immediate) do # in a plain transaction SQLite does not wait for another writer
        streams = change.call(db).map { |row| send(happened, row) }
        # In the transaction of its change a broadcast is not lost, and arrives in the order of the commits.
        (outbox ? streams : []).each do |stream|
          row = Hotcable.publication("board/1", stream, exclude: exclude)
          db.execute("INSERT INTO hotcable_outbox (publication) VALUES (?)", [row])
        end
      end
    end
    # Without an outbox: commit first, broadcast after. In the other order a page can lose a card: it asks for its
    # position after the broadcast, and reads its cards before the commit. A cable that is down fails no form: the card
    # is stored, and when the cable is back, it begins a new epoch, and the pages that missed something heal.
    (outbox ? [] : streams).each do |stream|
      Hotcable.broadcast("board/1", stream, exclude: exclude, timeout: 0.5, retries: 2)
    rescue StandardError => e
      warn "board.rb: not broadcast: #{e.message}"
    end
    wants = streams.any? && Hotcable.wants_turbo_stream(request["HTTP_ACCEPT"])
    wants ? [200, { "content-type" => Hotcable::TURBO_STREAM }, streams.join] : [303, { "location" => "#{prefix(request)}/" }, ""]
  end

  def call(request)
    status, headers, body =
      begin
        catch(:answer) { route(request) }
      rescue SQLite3::BusyException
        [503, TEXT.merge("retry-after" => "1"), "the database is locked: try again in a moment"]
      rescue SQLite3::Exception => e
        warn "board.rb: #{path}: #{e.message}"
        [500, TEXT, "the database cannot be used; the log says why"]
      rescue StandardError => e
        warn e.full_message(highlight: false)
        [500, TEXT, "something broke here; the log says what"]
      end
    headers = headers.merge("content-length" => body.bytesize.to_s)
    [status, headers, request["REQUEST_METHOD"] == "HEAD" ? [] : [body]]
  end

  def refuse(status, reason, headers = {}) = throw(:answer, [status, TEXT.merge(headers), reason])

  def route(request)
    method = request["REQUEST_METHOD"].sub("HEAD", "GET")
    ROUTES.each do |pattern, (allowed, handler)|
      next unless (match = utf8(request["PATH_INFO"]).match(/\A#{pattern}\z/))

      refuse(405, "#{allowed} only", { "allow" => allowed.sub("GET", "GET, HEAD") }) if method != allowed
      check_site(request) if method == "POST"
      return handler.call(request, *match.captures)
    end
    refuse(404, "not found")
  end

  # A form of another site is refused. Over plain HTTP, as on a phone in the same network, a browser sends only Origin.
  def check_site(request)
    site, origin = request["HTTP_SEC_FETCH_SITE"], request["HTTP_ORIGIN"]
    refuse(403, "another site may not change the board") if site == "cross-site"
    return if %w[same-origin same-site none].include?(site) || origin.nil?

    refuse(403, "Origin: null hides which site this form is from") if origin == "null"
    name_and_port = /(\[[0-9a-f:.]+\]|[a-z0-9_.-]+?)\.?(?::([0-9]{1,5}))?/ # some proxies drop a dot at the end
    sent = utf8(origin).downcase.match(%r{\Ahttps?://#{name_and_port}\z})
    asked = asked_host(request).downcase.match(/\A#{name_and_port}\z/)
    return if sent && asked && sent[1] == asked[1] && [sent[2], asked[2]].compact.uniq.size < 2

    refuse(403, "Origin is not the host that was asked: another site may not change the board, and a proxy has to pass Host")
  end

  # body and author, trimmed. A field that is missing is empty; of one that is repeated the first counts.
  def read_form(request)
    type = utf8(request["CONTENT_TYPE"])[/\A[^;]*/].strip.downcase
    refuse(415, "a form is application/x-www-form-urlencoded") if type != "application/x-www-form-urlencoded"
    raw = request["rack.input"]&.read((2**16) + 1).to_s
    refuse(413, "64 KiB at most") if raw.bytesize > 2**16
    pairs = raw.split("&").map { |pair| pair.split("=", 2).map { |part| CGI.unescape(part).force_encoding("UTF-8") } }
    refuse(422, "a form is UTF-8") unless pairs.flatten.all?(&:valid_encoding?)
    body, author = pairs.reverse.to_h { |name, value| [name, value] }.values_at("body", "author").map do |typed|
      typed.to_s[/#{INK}(?:.*#{INK})?/m].to_s
    end
    fits = body.length.between?(1, 500) && author.length <= 40
    refuse(422, "body: 1 to 500 characters; author: 40 at most") unless fits
    [body, author.empty? ? "anonymous" : author]
  end

  def prefix(request)
    given = utf8(request["HTTP_X_FORWARDED_PREFIX"])
    given.match?(%r{\A(/[A-Za-z0-9_-]+)*\z}) ? given : "" # //evil.example would lead to another site
  end

  # The first value of a header that each proxy may add one to.
  def first(request, name) = utf8(request[name])[/\A[^,]*/].strip

  def asked_host(request) = %w[HTTP_X_FORWARDED_HOST HTTP_HOST].map { |name| first(request, name) }.find { |host| host != "" }.to_s

  def cable_url(request)
    proto, port = first(request, "HTTP_X_FORWARDED_PROTO"), first(request, "HTTP_X_FORWARDED_PORT")
    host = asked_host(request)
    # The port that a proxy left out of Host. 80 and 443 are defaults, or of a proxy behind the one that ends TLS.
    left_out = port.match?(/\A[1-9][0-9]{0,4}\z/) && port.to_i < 65_536 && !%w[80 443].include?(port)
    host += ":#{port}" if left_out && !host.match?(/:[0-9]+\z/)
    setting("ANYCABLE_WEBSOCKET_URL", "#{proto == "https" ? "wss" : "ws"}://#{host}/cable")
  end

  # Rack hands over headers as arbitrary bytes.
  def utf8(header) = header.to_s.dup.force_encoding("UTF-8").scrub

  def setting(name, default) = ENV[name].to_s.empty? ? default : ENV[name]
end

if $PROGRAM_NAME == __FILE__
  begin
    host, port = Board.setting("HOST", "127.0.0.1"), Board.setting("PORT", "3003")
    raise ArgumentError, "PORT is from 0 to 65535" unless port.match?(/\A[0-9]{1,5}\z/) && port.to_i < 65_536

    Hotcable.meta_tags({}) && Hotcable.sign_stream("board/1") # reports a missing secret now, not on the first page
    Board.database {}
  rescue SQLite3::BusyException # another language writes just now
  rescue ArgumentError, SQLite3::Exception => e
    warn "board.rb: #{"#{Board.path}: " if e.is_a?(SQLite3::Exception)}#{e.message}"
    exit 78 # EX_CONFIG: a restart would not help
  end
  config = Puma::Configuration.new(config_files: ["-"]) do |puma|
    puma.app Board
    puma.bind "tcp://#{host}:#{port}"
    puma.threads 1, 8
    puma.environment "production" # elsewhere it shows its own errors to the client
    puma.raise_exception_on_sigterm false
  end
  begin
    Puma::Launcher.new(config).run
  rescue SystemCallError, SocketError => e
    abort "board.rb: #{host}:#{port}: #{e.message}"
  end
end
