module ApplicationCable
  class Connection < ActionCable::Connection::Base
    identified_by :user

    def connect
      self.user = request.session[:user] || reject_unauthorized_connection
    end
  end
end
