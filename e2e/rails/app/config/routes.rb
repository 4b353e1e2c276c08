Rails.application.routes.draw do
  root "chat#show"
  post "login" => "chat#login"
  post "news" => "chat#news"
  get "up" => "rails/health#show"
end
