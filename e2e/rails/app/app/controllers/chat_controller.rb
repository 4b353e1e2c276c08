class ChatController < ApplicationController
  skip_forgery_protection

  def login
    session[:user] = params.require(:user)
    redirect_to "/", status: :see_other
  end

  def news
    ActionCable.server.broadcast "news", { text: params.require(:text) }
    Turbo::StreamsChannel.broadcast_update_to "board", target: "news", html: params[:text]
    head :no_content
  end
end
