/*
 * The limit: the least that a fan-out costs if every message is one send() per socket. C, epoll, one thread.
 *
 *   limit PORT      GET with an upgrade becomes a client; the body of a POST goes to all clients, as one text frame
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 65536, LARGEST = 1 << 21 };

/* By descriptor. */
static struct connection {
  char *request; /* NULL once it is a client */
  uint32_t size;
} connections[MOST];
static int clients[MOST], place[MOST], clients_count, loop;

static uint32_t rotate(uint32_t x, int by) { return x << by | x >> (32 - by); }

static void sha1(const char *text, uint32_t size, unsigned char digest[20]) {
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}, w[80];
  unsigned char padded[128] = {0};
  uint32_t blocks = size + 9 > 64 ? 2 : 1;
  memcpy(padded, text, size);
  padded[size] = 0x80;
  padded[blocks * 64 - 2] = size * 8 >> 8;
  padded[blocks * 64 - 1] = size * 8;
  for (uint32_t block = 0; block < blocks; block++) {
    for (int i = 0; i < 16; i++) {
      unsigned char *p = padded + block * 64 + i * 4;
      w[i] = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
    }
    for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++) {
      uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                   : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                   : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                            : (b ^ c ^ d) + 0xca62c1d6;
      uint32_t next = rotate(a, 5) + f + e + w[i];
      e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
  }
  for (int i = 0; i < 20; i++) digest[i] = h[i / 4] >> (24 - i % 4 * 8);
}

static void base64(const unsigned char *in, int size, char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int i = 0; i < size; i += 3) {
    uint32_t v = in[i] << 16 | (i + 1 < size ? in[i + 1] << 8 : 0) | (i + 2 < size ? in[i + 2] : 0);
    *out++ = digits[v >> 18];
    *out++ = digits[v >> 12 & 63];
    *out++ = i + 1 < size ? digits[v >> 6 & 63] : '=';
    *out++ = i + 2 < size ? digits[v & 63] : '=';
  }
  *out = 0;
}

static void forget(int fd) {
  close(fd);
  free(connections[fd].request);
  connections[fd].request = NULL;
  if (place[fd] == 0) return;
  int last = clients[--clients_count];
  clients[place[fd] - 1] = last;
  place[last] = place[fd];
  place[fd] = 0;
}

static void send_all(int fd, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return;
    if (sent > 0) bytes += sent, size -= sent;
    else poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
  }
}

static void upgrade(int fd, const char *key) {
  char text[128], accepted[32], answer[256];
  unsigned char digest[20];
  int size = snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  sha1(text, size, digest);
  base64(digest, 20, accepted);
  size = snprintf(answer, sizeof answer,
                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Accept: %s\r\n\r\n", accepted);
  send_all(fd, answer, size);
  free(connections[fd].request);
  connections[fd].request = NULL;
  clients[clients_count++] = fd;
  place[fd] = clients_count;
}

static void broadcast(const char *message, uint32_t size) {
  static char frame[LARGEST + 10];
  int head = size < 126 ? 2 : size < 65536 ? 4 : 10;
  frame[0] = (char)0x81;
  frame[1] = head == 2 ? size : head == 4 ? 126 : 127;
  for (int i = 0; i < head - 2; i++) frame[2 + i] = (uint64_t)size >> 8 * (head - 3 - i);
  memcpy(frame + head, message, size);
  for (int i = 0; i < clients_count; i++) send_all(clients[i], frame, head + size);
}

static void request_event(int fd) {
  static char bytes[1 << 16];
  struct connection *c = &connections[fd];
  ssize_t got = read(fd, bytes, sizeof bytes);
  if (got <= 0 || place[fd] > 0) { /* we ignore what clients send */
    if (got == 0 || (got < 0 && errno != EAGAIN)) forget(fd);
    return;
  }
  c->request = realloc(c->request, c->size + got + 1);
  memcpy(c->request + c->size, bytes, got);
  c->size += got;
  c->request[c->size] = 0;
  char *end = strstr(c->request, "\r\n\r\n");
  if (end == NULL) return;
  char *key = strcasestr(c->request, "\r\nsec-websocket-key: "), *length = strcasestr(c->request, "\r\ncontent-length: ");
  if (key != NULL && key < end) return upgrade(fd, key + 21);
  uint32_t body = length != NULL && length < end ? atoi(length + 18) : 0;
  if (c->size - (end + 4 - c->request) < body) return;
  broadcast(end + 4, body);
  c->size = 0;
  send_all(fd, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 43);
}

int main(int count, char **arguments) {
  if (count != 2) return 1;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0) return 1;
  loop = epoll_create1(0);
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    static struct epoll_event events[512];
    int ready = epoll_wait(loop, events, 512, -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd != listener) {
        request_event(fd);
        continue;
      }
      while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0 && fd < MOST) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections[fd] = (struct connection){0};
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
      }
    }
  }
}
