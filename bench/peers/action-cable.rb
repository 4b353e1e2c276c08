# frozen_string_literal: true

# Action Cable as a Rails app in production has it, with the adapter async: Turbo's own channel, and a controller that broadcasts.
# There is no database, and no log. No client needs a session or an Origin.

ROOT = File.expand_path("../..", __dir__)
Gem.paths = { "GEM_PATH" => ["#{ROOT}/tmp/gems", *Gem.path].join(File::PATH_SEPARATOR) }
File.read("#{ROOT}/backends/rails/Gemfile").scan(/^gem "(.+)", "(.+)"/) { |name, version| gem name, version }

ENV["RAILS_ENV"] = "production"
require "rails"
require "action_controller/railtie"
require "action_view/railtie"
require "action_cable/engine"
require "turbo-rails"
require "puma"
require "puma/configuration"
require "puma/launcher"

class BenchApp < Rails::Application
  config.load_defaults "7.2"
  config.root = __dir__
  config.eager_load = true
  config.logger = ActiveSupport::Logger.new($stderr)
  config.log_level = :fatal
  config.secret_key_base = ENV.fetch("SECRET")
  config.turbo.signed_stream_verifier_key = ENV.fetch("SECRET")
  config.action_cable.cable = { "adapter" => "async" }
  config.action_cable.disable_request_forgery_protection = true
  routes.append { post "broadcast" => "broadcasts#create" }
end
BenchApp.initialize!

class BroadcastsController < ActionController::Base
  skip_forgery_protection

  def create
    Turbo::StreamsChannel.broadcast_stream_to(params[:stream], content: params[:html])
    head :created
  end
end

# As many threads as in the config/puma.rb of `rails new`.
config = Puma::Configuration.new(config_files: ["-"]) do |puma|
  puma.app Rails.application
  puma.bind "tcp://127.0.0.1:#{ENV.fetch("PORT")}?backlog=4096"
  puma.threads 3, 3
  puma.environment "production"
end
puts "Rails #{Rails.version}, Puma #{Puma::Const::PUMA_VERSION}, #{RUBY_DESCRIPTION}"
Puma::Launcher.new(config).run
