class ChatChannel < ApplicationCable::Channel
  def subscribed
    @spoken = 0
    stream_for params[:room]
  end

  def speak(data)
    @spoken += 1
    broadcast_to params[:room], { by: connection.user, text: data["text"], spoken: @spoken }
  end
end
