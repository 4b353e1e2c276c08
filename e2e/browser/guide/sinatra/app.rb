# A list of tasks without live updates, as an app may be before its author reads docs/existing-app.md.
require "sinatra"

TASKS = [] # in place of a database

get "/" do
  @tasks = TASKS.dup
  erb :index
end

post "/tasks" do
  TASKS << (task = { id: TASKS.size + 1, title: params[:title] })
  logger.info("task #{task[:id]} was added")
  redirect "/", 303
end
