import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * A backend and a client in Java, without packages. The JDK's HttpClient offers HTTP/2 only with the first request to a
 * server, so each request here uses a new one. Prints the status of each, and the frames that the WebSocket receives.
 */
class Client {
  public static void main(String[] args) throws Exception {
    var env = System.getenv();
    var frames = new LinkedBlockingQueue<String>();
    var socket = HttpClient.newHttpClient().newWebSocketBuilder().subprotocols("actioncable-v1-json")
        .buildAsync(URI.create(env.get("CABLE_URL")), new Listener(frames)).join();
    System.out.println(frames.take());
    socket.sendText(env.get("SUBSCRIBE"), true).join();
    System.out.println(frames.take());

    System.out.println(send(HttpRequest.newBuilder(URI.create(env.get("PAGE_URL"))).GET()));
    System.out.println(send(HttpRequest.newBuilder(URI.create(env.get("BROADCAST_URL")))
        .header("Authorization", "Bearer " + env.get("BROADCAST_KEY"))
        .POST(BodyPublishers.ofString(env.get("PUBLICATION")))));
    System.out.println(frames.take());
    socket.abort();
  }

  private static int send(HttpRequest.Builder request) throws Exception {
    return HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString()).statusCode();
  }

  /** Collects whole messages that are not pings. */
  private record Listener(LinkedBlockingQueue<String> frames, StringBuilder text) implements WebSocket.Listener {
    Listener(LinkedBlockingQueue<String> frames) {
      this(frames, new StringBuilder());
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
      text.append(part);
      if (last) {
        var frame = text.toString();
        text.setLength(0);
        if (!frame.contains("\"ping\"")) frames.add(frame);
      }
      socket.request(1);
      return null;
    }
  }
}
