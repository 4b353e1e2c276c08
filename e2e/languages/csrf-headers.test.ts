/** What docs/forms.md says of X-CSRF-Token in Rails and in Flask-WTF. (docs-forms.spec.ts asks Django and Laravel.) */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { LANGUAGES } from '../../backends/harness/languages.ts'
import { EXTRAS } from '../../backends/harness/libraries.ts'
import { missing, type Tool } from '../../backends/harness/toolchain.ts'

/** Each prints three answers to its reader: with the writer's token in a field, in the header, and with the reader's in the header. */
const RAILS = `
Gem.paths = { "GEM_PATH" => [File.expand_path("tmp/gems"), *Gem.path].join(File::PATH_SEPARATOR) }
require "rails"
require "action_controller/railtie"
require "rack/mock"
class App < Rails::Application
  config.secret_key_base = "canary " * 8
  config.eager_load = false
  config.hosts.clear
  config.logger = Logger.new(nil)
  config.action_dispatch.show_exceptions = :none
  config.session_store :cookie_store, key: "session"
  routes.append { root "notes#show"; post "/notes", to: "notes#add" }
end
class NotesController < ActionController::Base
  protect_from_forgery with: :exception
  def show = render(html: helpers.csrf_meta_tags)
  def add = redirect_to("/", status: :see_other)
end
App.initialize!
visit = lambda do
  answer = Rack::MockRequest.new(App).get("/")
  { cookie: Array(answer["set-cookie"]).first[/[^;]+/], token: answer.body[/name="csrf-token" content="([^"]+)"/, 1] }
end
writer, reader = visit.call, visit.call
post = ->(fields, headers) do
  Rack::MockRequest.new(App).post("/notes", params: fields, "HTTP_COOKIE" => reader[:cookie], **headers).status
rescue ActionController::InvalidAuthenticityToken
  422
end
puts post.({ authenticity_token: writer[:token] }, {})
puts post.({}, { "HTTP_X_CSRF_TOKEN" => writer[:token] })
puts post.({}, { "HTTP_X_CSRF_TOKEN" => reader[:token] })
`

const FLASK_WTF = `
from flask import Flask, redirect
from flask_wtf.csrf import CSRFProtect, generate_csrf
app = Flask(__name__)
app.secret_key = "canary"
CSRFProtect(app)
app.add_url_rule("/", "show", generate_csrf)
app.add_url_rule("/notes", "add", lambda: redirect("/", 303), methods=["POST"])
writer, reader = app.test_client(), app.test_client()
theirs, mine = writer.get("/").text, reader.get("/").text
print(reader.post("/notes", data={"csrf_token": theirs}).status_code)
print(reader.post("/notes", headers={"X-CSRF-Token": theirs}).status_code)
print(reader.post("/notes", headers={"X-CSRF-Token": mine}).status_code)
`

const PROGRAMS: [name: string, tool: Tool, run: () => Promise<string[]>, refused: string][] = [
  ['Rails', LANGUAGES.rails, async () => ['ruby', '-e', RAILS], '422'],
  ['Flask-WTF', EXTRAS.flaskWtf, async () => [(await EXTRAS.flaskWtf.interpreter())!, '-c', FLASK_WTF], '400'],
]

for (const [name, tool, run, refused] of PROGRAMS)
  test(`${name} refuses the token of another visitor, and takes the reader's from X-CSRF-Token`, async t => {
    if (!(await tool.isPresent())) {
      console.error(`\n!!! ${missing(tool)}\n`)
      return t.skip(`${name} is not installed`)
    }
    const [command, ...args] = (await run()) as [string, ...string[]]

    const { stdout } = await promisify(execFile)(command, args, { timeout: 100_000 })

    assert.deepEqual(stdout.trim().split('\n'), [refused, refused, '303'])
  })
