# frozen_string_literal: true

# A chat in Rails, in one file, with Action Cable's channels: the cable calls them by RPC.
#
#     ANYCABLE_SECRET=… ruby backends/rails/chat.rb                                over HTTP, at /_anycable
#     ANYCABLE_SECRET=… ANYCABLE_RPC_HOST=127.0.0.1:50051 ruby backends/rails/chat.rb     over gRPC as well
#
#     npm run cable -- --rpc_host=http://127.0.0.1:3005/_anycable --headers=cookie,origin
#
# In this order: settings, the application, the connection, the channel, the controller, the routes, the server.

# The gems of board.rb, without the database; over gRPC also the two that `npm run setup` adds.
Gem.paths = { "GEM_PATH" => [File.expand_path("../../tmp/gems", __dir__), *Gem.path].join(File::PATH_SEPARATOR) }
File.read("#{__dir__}/Gemfile").scan(/^gem "(.+)", "(.+)"/) { |name, version| gem name, version }

ENV["RAILS_ENV"] ||= "production"
require "rails"
require "action_controller/railtie"
require "action_cable/engine"
require "anycable-rails-core"
require "puma"
require "puma/configuration"
require "puma/launcher"

HOST, PORT = ENV.fetch("HOST", "127.0.0.1"), ENV.fetch("PORT", "3005")
OVER_GRPC = ENV.key?("ANYCABLE_RPC_HOST")
if OVER_GRPC
  require "anycable/cli"
  require "anycable/grpc"
end

class ChatApp < Rails::Application
  config.load_defaults "7.2"
  config.root = __dir__
  config.eager_load = false
  config.logger = ActiveSupport::Logger.new($stderr)
  config.log_level = :error
  config.secret_key_base = ENV.fetch("SECRET_KEY_BASE") { SecureRandom.hex(64) }
  config.session_store :cookie_store, key: "_chat", same_site: :lax
  config.hosts.clear
  config.action_cable.cable = { "adapter" => "any_cable" }
  # A cable passes on the name of the host without its port, so that Rails cannot compare it with Origin.
  config.action_cable.allow_same_origin_as_host = false
  config.action_cable.allowed_request_origins = ENV.fetch("CHAT_ORIGINS", "http://#{HOST}:#{PORT}").split(",")
  AnyCable.config.broadcast_adapter = :http
  AnyCable.config.http_rpc = true
  # Over HTTP the gem gives no sid to the connection, and the welcome has none, unless this is here.
  AnyCable.middleware.use(AnyCable::Middlewares::EnvSid) unless OVER_GRPC
end
ChatApp.initialize!

module ApplicationCable
  class Connection < ActionCable::Connection::Base
    identified_by :user
    rescue_from(StandardError) { |error| logger.error("#{error.class}: #{error.message}") }

    def connect
      self.user = request.session[:user] || reject_unauthorized_connection
    end

    def disconnect
      ActionCable.server.broadcast "news", { left: user }
    end
  end
end

class NewsChannel < ActionCable::Channel::Base
  def subscribed = stream_from("news")
end

class ChatChannel < ActionCable::Channel::Base
  include AnyCable::Rails::Channel::Presence
  # Kept by the cable between commands: an instance variable would be gone.
  state_attr_accessor :spoken

  def subscribed
    return reject if params[:room] == "closed"

    self.spoken = 0
    stream_for params[:room], whisper: true
    join_presence broadcasting_for(params[:room]), id: connection.user, info: { name: connection.user }
  end

  def unsubscribed
    ActionCable.server.broadcast "news", { closed: params[:room], by: connection.user, spoken: spoken }
  end

  def speak(data)
    self.spoken += 1
    broadcast_to params[:room], { by: connection.user, text: data["text"], spoken: }
  end

  def ask(data) = transmit({ answer: data["text"].upcase })

  def follow(data) = stream_from(data["topic"])

  def unfollow(data) = stop_stream_from(data["topic"])

  def quiet = stop_all_streams

  def leave = leave_presence(connection.user)

  def fail = raise("the channel failed")

  def kick(data)
    ActionCable.server.remote_connections.where(user: data["user"]).disconnect(reconnect: false)
  end
end

class ChatController < ActionController::Base
  skip_forgery_protection

  def login
    session[:user] = params.require(:user)
    redirect_to "/", status: :see_other
  end

  # The page that says it shows it itself: its X-Socket-ID excludes it.
  def say
    ChatChannel.broadcast_to params[:room], { by: session[:user], text: params[:text] }, to_others: true
    head :no_content
  end

  def show
    url = ENV.fetch("ANYCABLE_WEBSOCKET_URL") { "ws://#{request.host}:8080/cable" }
    render html: <<~HTML.html_safe
      <!DOCTYPE html>
      <html lang="en">
      <meta name="viewport" content="width=device-width">
      <meta name="color-scheme" content="light dark">
      <meta name="action-cable-url" content="#{ERB::Util.h(url)}">
      <title>Chat</title>
      <style>body { font: 1rem/1.5 system-ui; max-width: 40rem; margin: 2rem auto; padding: 0 1rem } ol { list-style: none; padding: 0 }</style>
      <h1>Chat</h1>
      #{session[:user] ? ROOM : LOGIN}
    HTML
  end

  LOGIN = <<~HTML
    <form action="/login" method="post">
      <label>Your name <input name="user" required autofocus></label> <button>Log in</button>
    </form>
  HTML

  ROOM = <<~HTML
    <ol id="log" role="log"></ol>
    <form>
      <label>Say <input name="text" required autofocus></label> <button>Send</button>
    </form>
    <script type="module">
      import { createConsumer } from "/actioncable.js"
      const show = words => document.querySelector("#log").append(
        Object.assign(document.createElement("li"), { textContent: words }))
      const room = createConsumer().subscriptions.create({ channel: "ChatChannel", room: "green" }, {
        connected: () => show("connected"),
        disconnected: () => show("disconnected"),
        received: ({ by, text, type, id }) => show(by ? `${by}: ${text}` : `${id} ${type}s`),
      })
      document.querySelector("form").addEventListener("submit", event => {
        event.preventDefault()
        room.perform("speak", { text: event.target.text.value })
        event.target.reset()
      })
    </script>
  HTML
end

ChatApp.routes.draw do
  root "chat#show"
  post "login" => "chat#login"
  post "say" => "chat#say"
  get "actioncable.js" => lambda { |_|
    [200, { "content-type" => "text/javascript" }, [ActionCable::Engine.root.join("app/assets/javascripts/actioncable.esm.js").read]]
  }
  get "health" => ->(_) { [200, { "content-type" => "text/plain" }, ["ok"]] }
end

AnyCable::CLI.embed! if OVER_GRPC

config = Puma::Configuration.new(config_files: ["-"]) do |puma|
  puma.app Rails.application
  puma.bind "tcp://#{HOST}:#{PORT}"
  puma.threads 1, 8
  puma.environment "production"
  puma.raise_exception_on_sigterm false
end
Puma::Launcher.new(config).run
