# frozen_string_literal: true

# The Board in Rails, in one file: turbo-rails and AnyCable's gem as they come, no RPC, no Action Cable server.
#
#     ANYCABLE_SECRET=… ruby backends/rails/board.rb      http://127.0.0.1:3004
#
# In this order: settings, the application, the model, the helper, the controller, the routes, the views, the server.

# The versions of the Gemfile, from the system or from where `npm run setup` installs them; all there: exit code 0.
Gem.paths = { "GEM_PATH" => [File.expand_path("../../tmp/gems", __dir__), *Gem.path].join(File::PATH_SEPARATOR) }
File.read("#{__dir__}/Gemfile").scan(/^gem "(.+)", "(.+)"/) { |name, version| gem name, version }
exit if ARGV == ["--gems"]

ENV["RAILS_ENV"] ||= "production"
require "rails"
require "active_record/railtie"
require "active_job/railtie"
require "action_controller/railtie"
require "action_view/railtie"
require "action_view/testing/resolvers"
require "action_cable/engine"
require "turbo-rails"
require "anycable-rails-core"
require "puma"
require "puma/configuration"
require "puma/launcher"
require_relative "../ruby/hotcable"

def setting(*names, default: nil) = ENV.values_at(*names).find(&:present?) || default

# EX_CONFIG: a restart would not help.
def give_up(why)
  warn "board.rb: #{why}"
  exit 78
end

BOARD = "board/1"

# As the cable reads them, the guide's names among them. With none of these Turbo derives its key from secret_key_base, and
# there are no tokens: the cable that is given --rails_secret_key_base derives the same, and asks for none.
TURBO_KEY = setting("ANYCABLE_TURBO_STREAMS_SECRET", "ANYCABLE_TURBO_RAILS_KEY", "ANYCABLE_STREAMS_SECRET", "ANYCABLE_SECRET")
JWT_KEY = setting("ANYCABLE_JWT_SECRET", "ANYCABLE_JWT_ID_KEY", "ANYCABLE_SECRET")
give_up "no secret: set ANYCABLE_SECRET, or SECRET_KEY_BASE alone" unless TURBO_KEY || setting("SECRET_KEY_BASE")

HOST, PORT = setting("HOST", default: "127.0.0.1"), setting("PORT", default: "3004")
give_up "PORT is from 0 to 65535" unless PORT.match?(/\A[0-9]{1,5}\z/) && PORT.to_i < 65_536

DATABASE = File.expand_path(setting("HOTCABLE_DB", default: "data/board.sqlite3"))
begin
  FileUtils.mkdir_p(File.dirname(DATABASE))
rescue SystemCallError # opening the database reports the problem
end
# With it the cable reads broadcasts from this database; else AnyCable's gem POSTs them.
OUTBOX = setting("HOTCABLE_OUTBOX")
ENV["DATABASE_URL"] = "sqlite3:#{URI::DEFAULT_PARSER.escape(DATABASE)}?pool=10"

class BoardApp < Rails::Application
  config.load_defaults setting("HOTCABLE_RAILS_DEFAULTS", default: "7.2") # before 7.0 keys derive by SHA1
  config.root = __dir__
  config.eager_load = false
  config.logger = ActiveSupport::Logger.new($stderr)
  config.log_level = :warn
  config.secret_key_base = setting("SECRET_KEY_BASE", default: SecureRandom.hex(64))
  config.turbo.signed_stream_verifier_key = TURBO_KEY
  AnyCable.config.jwt_secret = JWT_KEY
  AnyCable.config.broadcast_adapter = :http
  config.action_cable.cable = { "adapter" => "any_cable" }
  config.action_cable.url = "/cable" # unless ANYCABLE_WEBSOCKET_URL is set
  # Runs jobs at once: in a thread pool, a removal could overtake an earlier broadcast.
  config.active_job.queue_adapter = :inline
  # turbo.js as it is in the gem, at /turbo.js.
  config.middleware.insert_before ActionDispatch::Executor, ActionDispatch::Static, Turbo::Engine.root.join("app/assets/javascripts").to_s
  # Answers refusals in words, and does not log them.
  config.action_dispatch.log_rescued_responses = false
  config.exceptions_app = lambda do |env|
    status = env["PATH_INFO"][1..].to_i
    [status, { "content-type" => "text/plain; charset=utf-8" }, [Rack::Utils::HTTP_STATUS_CODES[status].downcase]]
  end
end

BoardApp.initialize!
# Answers a body that is not a form with 422, as the other languages do.
ActionDispatch::ExceptionWrapper.rescue_responses.transform_values! { |status| status == :bad_request ? :unprocessable_entity : status }

class Outbox < AnyCable::BroadcastAdapters::Base
  def raw_broadcast(publication)
    ActiveRecord::Base.connection.exec_update("INSERT INTO hotcable_outbox (publication) VALUES (?)", "Outbox", [publication])
  end
end
AnyCable.broadcast_adapter = Outbox.new if OUTBOX

class Card < ActiveRecord::Base
  NAMES = JSON.parse(File.read("#{__dir__}/../languages.json", encoding: "UTF-8")).select { |_, row| row["board"] }.transform_values { |row| row["title"] }.freeze

  self.record_timestamps = false
  attribute :created_at, default: -> { Time.now.utc.iso8601 }
  attribute :backend, default: "rails"

  # Not blank, that is, not in Unicode's White_Space, nor U+FEFF: languages define a space differently.
  INK = /[^\t-\r \u{85}\u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}]/
  normalizes :body, :author, with: ->(typed) { typed[/#{INK}(?:.*#{INK})?/m].to_s }
  validates :body, length: { in: 1..500 }
  validates :author, length: { maximum: 40 }
  before_save { self.author = author.presence || "anonymous" }

  # Turbo broadcasts after the commit. Rows of an outbox belong in the transaction of their change: there a broadcast is not
  # lost, and arrives in the order of the commits.
  if OUTBOX
    class << self
      def after_create_commit(...) = after_create(...)
      def after_update_commit(...) = after_update(...)
      def after_destroy_commit(...) = after_destroy(...)
    end
  end

  # All of it: append, replace, remove. A page of all cards listens to a string…
  broadcasts_to ->(_card) { BOARD }
  # …and the page of one to its record, and to an array.
  after_update_commit -> { broadcast_replace_later_to self }
  # (This one also to the page that voted: its answer has only the card.)
  after_update_commit -> { AnyCable::Rails.with_broadcast_options(to_others: false) { broadcast_update_later_to self, :votes, target: "votes", html: votes.to_s } }
  after_destroy_commit -> { broadcast_remove_to self }

  # Morphing, so that the focus stays where it is.
  def broadcast_replace_later_to(*streamables, **rendering)
    super(*streamables, attributes: { method: :morph }, **rendering)
  end

  def vote!
    transaction do
      Card.update_counters(id, votes: 1) # by the database: votes that are given at once all count
      reload.votes_will_change!
      save!
    end
  end

  def self.clear!
    transaction do |transaction|
      delete_all
      refresh = -> { Turbo::StreamsChannel.broadcast_refresh_to BOARD }
      OUTBOX ? refresh.call : transaction.after_commit(&refresh)
    end
  end

  def backend_name = NAMES.fetch(backend, backend)
end

module Asked
  # The first value of a header that each proxy may add one to.
  def first_of(header) = request.headers[header].to_s.dup.force_encoding("UTF-8").scrub[/\A[^,]*/].strip

  def asked_host = first_of("X-Forwarded-Host").presence || first_of("Host")
end

module BoardHelper
  include Asked

  # turbo_stream_from for a page without gaps: the page catches up on broadcasts after the position, so call this before
  # the first use of the records (relations are lazy). The first call asks the cable, for every stream of the page. The id makes a morph replace the element,
  # which then subscribes anew.
  def fresh_stream_from(*streamables)
    signed = Turbo::StreamsChannel.signed_stream_name(streamables)
    @position ||= Hotcable.position(Turbo::StreamsChannel.verified_stream_name(signed), url: AnyCable.config.http_broadcast_url, key: AnyCable.config.broadcast_key! || "none")
    turbo_stream_from(*streamables, id: "cable-#{signed[-64, 8]}-#{@position.tr("/", "-")}", data: { position: @position })
  end

  # The cable's URL and the visitor's token; a cable with --rails_secret_key_base alone needs no token.
  def cable_meta_tags
    return action_cable_meta_tag unless JWT_KEY

    at = tag.meta(name: "cable-url", content: cable_url)
    safe_join([action_cable_with_jwt_meta_tag(visitor: @visitor), at, anycable_token_meta_tag(visitor: @visitor)], "\n")
  end

  def cable_url
    host, port = asked_host, first_of("X-Forwarded-Port")
    # The port that a proxy left out of Host. 80 and 443 are defaults, or of a proxy behind the one that ends TLS.
    left_out = port.match?(/\A[1-9][0-9]{0,4}\z/) && port.to_i < 65_536 && !%w[80 443].include?(port)
    host += ":#{port}" if left_out && !host.match?(/:[0-9]+\z/)
    AnyCable.config.websocket_url.presence || "#{first_of("X-Forwarded-Proto") == "https" ? "wss" : "ws"}://#{host}/cable"
  end

  def asset(name) = "#{setting("HOTCABLE_ASSETS", default: "/assets")}/#{name}"
end

class BoardsController < ActionController::Base
  include Asked
  helper BoardHelper
  skip_forgery_protection # no accounts; check_site below refuses forms of other sites
  before_action :check_site, if: -> { request.post? }
  before_action :small
  # A page gets its change as the answer: an AnyCable page sends its socket's id, and the broadcast excludes it.
  # (A client may send bytes that no JSON can hold; then the card would be stored, and not broadcast.)
  around_action do |_, action|
    socket_id = AnyCable::Rails.current_socket_id&.dup&.force_encoding("UTF-8")&.scrub
    AnyCable::Rails.broadcasting_to_others(socket_id: socket_id, &action)
  end

  rescue_from ActiveRecord::AdapterError do |error|
    if error.cause.is_a?(SQLite3::BusyException)
      response.headers["retry-after"] = "1"
      next refuse(503, "the database is locked: try again in a moment")
    end
    warn "board.rb: #{DATABASE}: #{error.message}"
    refuse(500, "the database cannot be used; the log says why")
  end

  # Before Rails reads the form: it would take JSON and multipart as well.
  def process_action(name)
    type = request.get_header("CONTENT_TYPE").to_s[/\A[^;]*/].strip.downcase
    return super if name != "create" || type == "application/x-www-form-urlencoded"

    self.status, self.content_type = 415, "text/plain" # no render, which would also parse the body
    self.response_body = "a form is application/x-www-form-urlencoded"
  end

  def show
    # Only the first value that this server may have written counts; it reads nothing else in these headers.
    query, kept = [request.query_string, request.headers["Cookie"]].map { |header| header.to_s.dup.force_encoding("UTF-8").scrub }
    asked = query[/(?:^|&)client=(anycable|rails)(?:&|$)/, 1]
    @visitor = kept[/(?:^|;) *visitor=([0-9a-f]{16}) *(?:;|$)/, 1] || keep(:visitor, SecureRandom.hex(8))
    @client = asked ? keep(:client, asked) : kept[/(?:^|;) *client=(anycable|rails) *(?:;|$)/, 1] || "anycable"
    @card = Card.find(params[:card]) if params[:card]
    @cards = @card ? [@card] : Card.order(:id)
    response.headers["cache-control"] = "no-store"
    render formats: :html
  end

  def create
    card = Card.new(params.permit(:body, :author))
    return refuse(422, "body: 1 to 500 characters; author: 40 at most") unless card.save

    answer turbo_stream.append("cards", card)
  end

  def vote
    return back unless (card = Card.find_by(id: params[:id]))

    card.vote!
    answer turbo_stream.replace(card, card, method: :morph)
  rescue ActiveRecord::RecordNotFound # deleted just now
    back
  end

  def destroy
    return back unless (card = Card.find_by(id: params[:id]))

    card.destroy!
    answer turbo_stream.remove(card)
  end

  def clear
    Card.clear!
    # With its id the page would take the refresh for one that it need not show.
    answer turbo_stream.refresh(request_id: nil)
  end

  private

  # A form of another site is refused. Over plain HTTP, as on a phone in the same network, a browser sends only Origin.
  def check_site
    site, origin = request.headers["Sec-Fetch-Site"], request.headers["Origin"]
    return refuse(403, "another site may not change the board") if site == "cross-site"
    return if %w[same-origin same-site none].include?(site) || origin.nil?
    return refuse(403, "Origin: null hides which site this form is from") if origin == "null"

    name_and_port = /(\[[0-9a-f:.]+\]|[a-z0-9_.-]+?)\.?(?::([0-9]{1,5}))?/ # some proxies drop a dot at the end
    sent = origin.dup.force_encoding("UTF-8").scrub.downcase.match(%r{\Ahttps?://#{name_and_port}\z})
    asked = asked_host.downcase.match(/\A#{name_and_port}\z/)
    return if sent && asked && sent[1] == asked[1] && [sent[2], asked[2]].compact.uniq.size < 2

    refuse(403, "Origin is not the host that was asked: another site may not change the board, and a proxy has to pass Host")
  end

  def small
    refuse(413, "64 KiB at most") if request.content_length.to_i > 64.kilobytes
  end

  def keep(name, value)
    cookies[name] = { value:, path: "/", httponly: true, same_site: :lax, max_age: 31_536_000 }
    value
  end

  def refuse(status, reason) = render(plain: reason, status:)

  # Turbo shows the change; another browser loads the page.
  def answer(change)
    Hotcable.wants_turbo_stream(request.headers["Accept"]) ? render(turbo_stream: change) : back
  end

  def back
    prefix = request.headers["X-Forwarded-Prefix"].to_s[%r{\A(/[A-Za-z0-9_-]+)*\z}] # //evil.example would lead to another site
    head :see_other, location: "#{prefix}/"
  end
end

BoardsController.prepend_view_path ActionView::FixtureResolver.new(
  "cards/_card.html.erb" => <<~'ERB'.chomp,
    <li id="<%= dom_id(card) %>" class="card" data-backend="<%= card.backend %>"><p class="body" dir="auto"><%= card.body %></p><p class="by"><span class="author" dir="auto"><%= card.author %></span> <span class="badge" data-backend="<%= card.backend %>"><%= card.backend_name %></span> <time datetime="<%= card.created_at %>"><%= card.created_at[0, 10] %> <%= card.created_at[11, 5] %> UTC</time></p><form action="cards/<%= card.id %>/vote" method="post"><button class="vote" aria-label="Vote, <%= card.votes %> so far">▲ <b class="votes"><%= card.votes %></b></button></form><details class="delete"><summary aria-label="Delete this card">✕</summary><form action="cards/<%= card.id %>/delete" method="post"><button>Delete</button></form></details></li>
  ERB
  "boards/show.html.erb" => <<~'ERB',
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Board · Rails</title>
    <link rel="icon" href="<%= asset "icon.svg" %>" type="image/svg+xml">
    <link rel="stylesheet" href="<%= asset "board.css" %>">
    <%= turbo_refresh_method_tag :morph %>
    <%= turbo_refresh_scroll_tag :preserve %>
    <%= cable_meta_tags %>
    <script type="module" src="<%= asset @client == "rails" ? "rails-gem.js" : "hotcable.js" %>" data-turbo-track="reload"></script>
    <script type="module" src="<%= asset "board.js" %>" data-turbo-track="reload"></script>
    </head>
    <body data-backend="rails">
    <header>
    <h1><a href="/">Hotcable</a></h1>
    <hotcable-status id="cable-status" role="status" data-turbo-permanent><span>offline</span></hotcable-status>
    <nav class="demo" aria-label="Demo">
    <a href="/" aria-current="true">Board</a>
    <a href="/people">People</a>
    <a href="/answer">Answer</a>
    <a href="/compare">Compare</a>
    </nav>
    <p class="rendered">Rendered by <span class="badge" data-backend="rails">Rails</span> <small><%= Rails.version %></small></p>
    <nav class="languages" aria-label="The same Board in other languages">
    <% Card::NAMES.each do |name, title| %>
    <a href="<%= name == "typescript" ? "/" : "/#{name}/" %>" data-backend="<%= name %>"<% if name == "rails" %> aria-current="page"<% end %>><%= title %></a>
    <% end %>
    </nav>
    </header>
    <main>
    <% if @card %>
    <%= fresh_stream_from @card %>
    <%= fresh_stream_from @card, :votes %>
    <p>Votes: <b id="votes"><%= @card.reload.votes %></b></p>
    <% else %>
    <%= fresh_stream_from BOARD %>
    <% end %>
    <form class="add" action="cards" method="post">
    <label for="card-body">Card</label>
    <input id="card-body" name="body" dir="auto" required maxlength="500" autocomplete="off" placeholder="What should everyone see?" data-turbo-permanent>
    <label for="card-author">Name</label>
    <input id="card-author" name="author" dir="auto" maxlength="40" autocomplete="nickname" placeholder="Your name" data-turbo-permanent>
    <button>Add</button>
    </form>
    <p id="board-note" role="status" data-turbo-permanent></p>
    <ol id="cards">
    <%= safe_join @cards.map { |card| render(card) }, "\n" %>
    </ol>
    <p id="board-news" role="status" data-turbo-permanent></p>
    <p class="empty">No cards yet. <a href="" target="_blank">Open this page in a second window</a>, then write a card above: both show it at once.</p>
    <footer>
    <p><span id="card-count"><%= pluralize(@cards.size, "card") %></span> on the board</p>
    <details class="clear"><summary>Clear the board</summary><form action="clear" method="post"><button>Delete all cards</button></form></details>
    </footer>
    </main>
    </body>
    </html>
  ERB
)
ActionController::Base.prepend_view_path BoardsController.view_paths.first # where broadcasts render
ApplicationController = BoardsController

Rails.application.routes.draw do
  root "boards#show"
  post "cards" => "boards#create"
  post "cards/:id/vote" => "boards#vote", id: /\d+/
  post "cards/:id/delete" => "boards#destroy", id: /\d+/
  post "clear" => "boards#clear"
  get "health" => ->(_) { [200, { "content-type" => "text/plain" }, ["ok"]] }
end

# Waits for another writer in Ruby: SQLite's own wait would stop all threads, also the writing one.
ActiveRecord::ConnectionAdapters::SQLite3Adapter.prepend(Module.new do
  def configure_connection
    @raw_connection.busy_handler { |tries| sleep(0.01) && tries < 500 }
    super
  end

  # In a plain transaction SQLite does not wait for another writer.
  def begin_db_transaction
    with_raw_connection(allow_retry: true, materialize_transactions: false) do |connection|
      connection.transaction(:immediate)
      verified!
    end
  end
end)

begin
  ActiveRecord::Base.connection.execute(<<~SQL)
    CREATE TABLE IF NOT EXISTS cards (
      id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, author TEXT NOT NULL, backend TEXT NOT NULL,
      votes INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')))
  SQL
rescue ActiveRecord::ActiveRecordError => e
  if e.cause.is_a?(SQLite3::BusyException) # another language is making it just now
    sleep(0.05)
    (tries = tries.to_i + 1) < 100 ? retry : abort("board.rb: #{DATABASE}: #{e.message}")
  end
  give_up "#{DATABASE}: #{e.message}"
end

config = Puma::Configuration.new(config_files: ["-"]) do |puma|
  puma.app Rails.application
  puma.bind "tcp://#{HOST}:#{PORT}"
  puma.threads 1, 8
  puma.environment "production"
  puma.raise_exception_on_sigterm false
end
begin
  Puma::Launcher.new(config).run
rescue SystemCallError, SocketError => e
  abort "board.rb: #{HOST}:#{PORT}: #{e.message}"
end
# Sends the broadcasts that still wait, for at most as long as a restart may take.
Thread.new { AnyCable.broadcast_adapter.try(:shutdown) }.join(3)
