/*
 * The clients: they connect, answer pings, and count the messages that arrive.
 */
#include "generator.h"

/* Frames of SMALLEST bytes or more are messages; we do not buffer a frame of WHOLE bytes or more as a whole. */
enum { SMALLEST = 200, WHOLE = 8192 };
enum stage { CONNECTING, UPGRADING, GREETING, CONFIRMING, READY };

/* We write to a client only its handshake and pongs, which fit into the buffer of any socket. */
struct client {
  enum kind kind;
  int fd;
  enum stage stage;
  uint32_t group, hello_size, words_size;
  char *hello, *words;
  char *rest; /* the beginning of a frame, or of the response's head */
  uint32_t rest_size;
  uint64_t skip; /* bytes of a large frame that are still to come */
  uint64_t received;
};

char sample[WHOLE];
uint32_t sample_size;
static char buffer[1 << 18];
static struct client **clients;
static uint32_t clients_count, ready_count, connecting;
static const char *greeting, *confirmation;

static void say(struct client *c, const char *bytes, uint32_t size) {
  if (size > 0 && send(c->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) fail_errno("a client could not send");
}

/* A short frame of a client, masked. */
static void answer(struct client *c, int opcode, const char *payload, uint32_t size) {
  char frame[6 + 125] = {(char)(0x80 | opcode), (char)(0x80 | size), 0x12, 0x34, 0x56, 0x78};
  for (uint32_t i = 0; i < size; i++) frame[6 + i] = payload[i] ^ frame[2 + i % 4];
  say(c, frame, 6 + size);
}

static void become_ready(struct client *c) {
  c->stage = READY;
  free(c->hello);
  free(c->words);
  c->hello = c->words = NULL;
  connecting--;
  ready_count++;
  if (c->group == DEAF) watch(c->fd, c, 0, EPOLL_CTL_DEL);
}

static void advance(struct client *c, enum stage stage) {
  c->stage = stage;
  if (c->stage == GREETING && !*greeting) c->stage = CONFIRMING;
  if (c->stage == CONFIRMING) say(c, c->words, c->words_size);
  if (c->stage == CONFIRMING && !*confirmation) become_ready(c);
}

static void delivered(struct client *c) {
  struct group *g = &groups[c->group];
  uint64_t at = c->received++ % g->room;
  frames++;
  if (c->received > g->posted * batch) {
    surplus++;
    return;
  }
  double us = now_us();
  progress_at = us;
  if (g->every == 0) took(us - g->posted_at[at]);
  if (++g->got[at] < g->members) return;
  g->got[at] = 0;
  if (c->received % batch != 0) return;
  if (g->every > 0) {
    awaited--;
    return;
  }
  took_to_last(us - g->posted_at[at]);
  in_flight--;
}

static int says(const char *payload, uint32_t size, const char *what) {
  return memmem(payload, size, what, strlen(what)) != NULL;
}

static void take(struct client *c, int opcode, const char *payload, uint32_t size) {
  if (opcode == 9) return answer(c, 10, payload, size);
  if (opcode == 8) fail("a client was closed", payload, size);
  if (c->stage == READY && size >= SMALLEST) {
    if (c == clients[0]) memcpy(sample, payload, sample_size = size);
    return delivered(c);
  }
  if (size == 1 && *payload == '2') return answer(c, 1, "3", 1); /* Engine.IO's ping and pong */
  if (c->stage == GREETING && says(payload, size, greeting)) return advance(c, CONFIRMING);
  if (c->stage == CONFIRMING && says(payload, size, confirmation)) return become_ready(c);
  if (says(payload, size, "\"type\":\"disconnect\"") || says(payload, size, "\"type\":\"reject_"))
    fail("a client was refused", payload, size);
}

/* Returns how many bytes were complete; the rest is kept until more arrive. */
static uint64_t parse(struct client *c, char *bytes, uint64_t size) {
  uint64_t at = 0;
  if (c->stage == UPGRADING) {
    char *end = memmem(bytes, size, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    if (memcmp(bytes, "HTTP/1.1 101", 12) != 0) fail("no upgrade", bytes, size);
    at = end + 4 - bytes;
    advance(c, GREETING);
  }
  for (;;) {
    uint64_t left = size - at;
    if (c->skip > 0) {
      uint64_t part = c->skip < left ? c->skip : left;
      at += part;
      if ((c->skip -= part) > 0) return at;
      delivered(c);
      continue;
    }
    if (left < 2) return at;
    unsigned char *f = (unsigned char *)bytes + at;
    uint64_t length = f[1] & 127, head = length == 127 ? 10 : length == 126 ? 4 : 2;
    if (left < head) return at;
    if (length == 126) length = f[2] << 8 | f[3];
    else if (length == 127) {
      length = 0;
      for (int i = 2; i < 10; i++) length = length << 8 | f[i];
    }
    if (length >= WHOLE) {
      c->skip = length;
      at += head;
      continue;
    }
    if (left < head + length) return at;
    take(c, f[0] & 15, bytes + at + head, length);
    at += head + length;
  }
}

void client_event(void *waiting, int events) {
  struct client *c = waiting;
  if (c->stage == CONNECTING) {
    if (!(events & EPOLLOUT)) fail("a client could not connect", "", 0);
    watch(c->fd, c, EPOLLIN, EPOLL_CTL_MOD);
    c->stage = UPGRADING;
    return say(c, c->hello, c->hello_size);
  }
  if (c->rest_size > 0) memcpy(buffer, c->rest, c->rest_size);
  ssize_t got = read(c->fd, buffer + c->rest_size, sizeof buffer - c->rest_size);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) fail("a client lost its connection", buffer, c->rest_size);
  uint64_t size = c->rest_size + got, used = parse(c, buffer, size);
  free(c->rest);
  c->rest = NULL;
  c->rest_size = size - used;
  if (c->rest_size > 0) memcpy(c->rest = malloc(c->rest_size), buffer + used, c->rest_size);
}

void clients_connect(int port, const char *name, uint32_t at_once, const char *first, const char *second) {
  greeting = strdup(first);
  confirmation = strdup(second);
  FILE *file = open_file(name);
  double started = now_us();
  uint32_t count = number(file), opened = 0, wanted = ready_count + count;
  clients = realloc(clients, (clients_count + count) * sizeof *clients);
  while (ready_count < wanted) {
    for (; opened < count && connecting < at_once; opened++, connecting++) {
      struct client *c = calloc(1, sizeof *c);
      c->kind = CLIENT;
      c->group = number(file);
      c->hello = bytes(file, &c->hello_size);
      c->words = bytes(file, &c->words_size);
      if (c->group != DEAF) group(c->group)->members++;
      c->fd = dial(port);
      int small = 4096;
      if (c->group == DEAF) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
      watch(c->fd, c, EPOLLOUT, EPOLL_CTL_ADD);
      clients[clients_count++] = c;
    }
    pump(0);
    if (now_us() - started > 60e6) fail("clients cannot connect", "", 0);
  }
  fclose(file);
  printf("{\"clients\":%u,\"ms\":%.1f}\n", ready_count, (now_us() - started) / 1e3);
}

void clients_leave(void) {
  for (uint32_t i = 0; i < clients_count; i++) {
    close(clients[i]->fd);
    free(clients[i]->rest);
    free(clients[i]);
  }
  clients_count = ready_count = 0;
  for (uint32_t i = 0; i < groups_count; i++) groups[i].members = 0;
  printf("{}\n");
}

void clients_forget_messages(void) {
  for (uint32_t i = 0; i < clients_count; i++) clients[i]->received = 0;
}
