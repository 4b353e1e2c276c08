# frozen_string_literal: true

# A page that is live: a note that one visitor adds appears on the open pages of all others. It runs under `npm start`.
#
# Any Rack server can run App. README.md says why the steps are in this order.

require "cgi"
require "fileutils"
require "puma"
require "puma/configuration"
require "puma/launcher"
require "rack"
require "securerandom"
require "sqlite3"
require_relative "hotcable"

module App
  extend self

  HTML = { "content-type" => "text/html; charset=utf-8", "cache-control" => "no-store" }.freeze
  TEXT = { "content-type" => "text/plain; charset=utf-8" }.freeze

  def show(request)
    visitor = request.cookies["visitor"].to_s[/\A[0-9a-f]{16}\z/] || SecureRandom.hex(8)
    position = Hotcable.position("notes")                                             # 1. the position
    notes = database { |db| db.execute("SELECT id, body FROM notes ORDER BY id") }    # 2. the query
    headers = HTML.dup
    cookie = { value: visitor, path: "/", httponly: true, same_site: :lax, max_age: 31_536_000 }
    Rack::Utils.set_cookie_header!(headers, "visitor", cookie)
    [200, headers, [page(notes, position, visitor)]]                                  # 3. the page
  end

  def add(request)
    return [403, TEXT, ["A form of another site changes nothing here.\n"]] if request.get_header("HTTP_SEC_FETCH_SITE") == "cross-site"

    return [413, TEXT, ["A form has at most 64 KiB.\n"]] if request.content_length.to_i > 64 * 1024

    body = request.POST["body"].to_s.dup.force_encoding("UTF-8").scrub.strip
    return [422, TEXT, ["A note has 1 to 500 characters.\n"]] unless body.length.between?(1, 500)

    added = database { |db| db.execute("INSERT INTO notes (body) VALUES (?) RETURNING id, body", [body]).first } # 1. the commit
    begin
      Hotcable.broadcast("notes", Hotcable.turbo_stream("append", "notes", note(added)))     # 2. the broadcast
    rescue Hotcable::BroadcastFailed => e # the note is saved: log it, and go on
      warn "app: #{e.message}"
    end
    [303, { "location" => "/" }, []]
  end

  # The one partial of a note: the page has it, and the broadcast.
  def note((id, body)) = %(<li id="note_#{id}">#{CGI.escapeHTML(body)}</li>)

  def page(notes, position, visitor)
    <<~HTML
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>Notes</title>
      <link rel="icon" href="data:,">
      <style>
      :root { color-scheme: light dark; font: 1rem/1.5 system-ui }
      body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
      header { display: flex; gap: 1rem; align-items: center }
      h1 { margin: 0 }
      form { display: flex; flex-wrap: wrap; gap: .5rem }
      label { flex: 1; display: flex; gap: .5rem; align-items: center }
      input { flex: 1; min-width: 8rem }
      input, button { font: inherit; padding: .4rem .8rem; border: 1px solid GrayText; border-radius: .4rem }
      hotcable-status { padding: .1rem .6rem; border: 1px solid GrayText; border-radius: 1rem; font-size: .85rem }
      li { margin: .25rem 0; overflow-wrap: anywhere }
      </style>
      #{Hotcable.meta_tags({ visitor: visitor })}
      #{Hotcable.script_tag}
      </head>
      <body>
      <main>
      <header><h1>Notes</h1> <hotcable-status role="status"></hotcable-status></header>
      <p>Open this page in two windows: a note that you add in one appears in both.</p>
      #{Hotcable.stream_from("notes", position)}
      <form action="/notes" method="post"><label>Note <input name="body" required pattern=".*[^ ].*" title="1 to 500 characters" maxlength="500" autocomplete="off"></label> <button>Add</button></form>
      <ul id="notes">#{notes.map { |row| note(row) }.join}</ul>
      </main>
      </body>
      </html>
    HTML
  end

  def database
    file = ENV["DATABASE_FILE"] || "data/app.sqlite3"
    FileUtils.mkdir_p(File.dirname(file))
    db = SQLite3::Database.new(file)
    db.busy_timeout = 5000
    db.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
    yield db
  ensure
    db&.close
  end

  def call(env)
    request = Rack::Request.new(env)
    case [request.request_method, request.path_info]
    in ["GET", "/"] then show(request)
    in ["POST", "/notes"] then add(request)
    in ["GET", "/health"] then [200, TEXT, ["ok"]]
    else [404, TEXT, ["There is no such page.\n"]]
    end
  end
end

if $PROGRAM_NAME == __FILE__
  Hotcable.meta_tags({}) # says now that ANYCABLE_SECRET is missing, and not on the first page
  config = Puma::Configuration.new(config_files: ["-"]) do |puma|
    puma.app App
    puma.bind "tcp://#{ENV["HOST"] || "127.0.0.1"}:#{ENV["PORT"] || 3000}"
    puma.threads 1, 8
    puma.environment "production" # elsewhere it shows its own errors to the client
    puma.raise_exception_on_sigterm false
  end
  Puma::Launcher.new(config).run
end
