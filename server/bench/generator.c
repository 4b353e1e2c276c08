/*
 * The load generator: thousands of WebSocket clients, and the backend that POSTs to them, in one thread around epoll.
 *
 * Commands come in on standard input, one a line; each is answered with one line of JSON.
 *
 *   connect PORT FILE AT_ONCE GREETING CONFIRMATION   adds the clients of FILE (records of group, request, first words)
 *   posts PORT CONNECTIONS BATCH FILE                 what to POST (records of group, every, request), BATCH messages each
 *   run MS WINDOW MOST PACE_US                        POSTs and counts; ends when all that was sent has arrived
 *   leave                                             closes the clients
 *
 * A group is who listens to one stream. A message is under way until the last client of its group has it and the POST
 * was answered; at most WINDOW are. A group whose `every` is n > 0 is sent one message after each n-th of the others,
 * and is left out of the latencies. Clients of group DEAF read nothing once they are connected.
 * What is counted is frames of SMALLEST bytes or more: pings and confirmations are shorter.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { SMALLEST = 200, WHOLE = 8192, BUCKET_US = 10, BUCKETS = 1 << 20, MOST_POSTS = 1 << 20, STALL_MS = 15000, SETTLE_MS = 100 };
static const uint32_t DEAF = 0xffffffff;

enum stage { CONNECTING, UPGRADING, GREETING, CONFIRMING, READY };
enum kind { STDIN, CLIENT, POSTER };

/* A client is written to only in its handshake and with pongs: little enough for any socket's buffer. */
struct client {
  enum kind kind;
  int fd;
  enum stage stage;
  uint32_t group, hello_size, words_size;
  char *hello, *words;
  char *rest; /* the beginning of a frame, or of the response's head */
  uint32_t rest_size;
  uint64_t skip; /* what is still to come of a large frame */
  uint64_t received;
};

struct poster {
  enum kind kind;
  int fd, port, busy;
  const char *unsent;
  uint32_t unsent_size;
  char head[16384];
  uint32_t head_size;
};

struct group {
  uint32_t members, every, request_size;
  char *request;
  uint64_t posted, room;
  uint32_t *got;    /* by message, modulo room: how many members have it */
  double *posted_at; /* likewise, in µs */
};

static int loop, posters_count;
static uint64_t batch = 1;
static struct client **clients;
static uint32_t clients_count, ready_count, connecting;
static struct poster *posters;
static struct group *groups;
static uint32_t groups_count;
static const char *greeting = "", *confirmation = "";
static char buffer[1 << 18], line[4096], sample[WHOLE];
static uint32_t line_size, sample_size;
static int line_ready;

/* One run. */
/* `awaited`: answers to POSTs, and messages that are not measured. */
static uint64_t frames, surplus, in_flight, awaited, deliveries;
static uint32_t *buckets;
static double *to_last, progress_at;
static uint64_t to_last_count;

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void fail(const char *what, const char *detail, int size) {
  printf("{\"error\":\"%s", what);
  if (size > 0) printf(": ");
  for (int i = 0; i < size && i < 300; i++) {
    unsigned char c = detail[i];
    if (c == '"' || c == '\\') printf("\\%c", c);
    else if (c < 32 || c > 126) putchar('.');
    else putchar(c);
  }
  printf("\"}\n");
  fflush(stdout);
  exit(1);
}

static void fail_errno(const char *what) { fail(what, strerror(errno), strlen(strerror(errno))); }

static void watch(int fd, void *who, int events, int operation) {
  struct epoll_event event = {.events = events, .data.ptr = who};
  if (epoll_ctl(loop, operation, fd, &event) != 0) fail_errno("epoll");
}

static int dial(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  if (fd < 0) fail_errno("socket");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) fail_errno("connect");
  return fd;
}

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
  if (g->every == 0) {
    uint64_t bucket = (us - g->posted_at[at]) / BUCKET_US;
    buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    deliveries++;
  }
  if (++g->got[at] < g->members) return;
  g->got[at] = 0;
  if (c->received % batch != 0) return;
  if (g->every > 0) {
    awaited--;
    return;
  }
  to_last[to_last_count++] = us - g->posted_at[at];
  in_flight--;
}

static void take(struct client *c, int opcode, const char *payload, uint32_t size) {
  if (opcode == 9) return answer(c, 10, payload, size);
  if (opcode == 8) fail("a client was closed", payload, size);
  if (size == 1 && *payload == '2') return answer(c, 1, "3", 1); /* Engine.IO's ping and pong */
  if (c->stage == GREETING && memmem(payload, size, greeting, strlen(greeting))) return advance(c, CONFIRMING);
  if (c->stage == CONFIRMING && memmem(payload, size, confirmation, strlen(confirmation))) return become_ready(c);
  if (memmem(payload, size < 60 ? size : 60, "\"type\":\"disc", 12) || memmem(payload, size < 60 ? size : 60, "\"type\":\"reje", 12))
    fail("a client was refused", payload, size);
  if (c->stage != READY || size < SMALLEST) return;
  if (c == clients[0]) memcpy(sample, payload, sample_size = size);
  delivered(c);
}

/* Returns how much of it was understood; the rest is kept until more has come. */
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

static void client_event(struct client *c, int events) {
  if (c->stage == CONNECTING) {
    if (!(events & EPOLLOUT)) fail("a client was not let in", "", 0);
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

static void poster_open(struct poster *p) {
  p->fd = dial(p->port);
  watch(p->fd, p, EPOLLIN, EPOLL_CTL_ADD);
}

static void poster_close(struct poster *p) {
  if (p->fd >= 0) close(p->fd);
  p->fd = -1;
}

static void poster_send(struct poster *p) {
  ssize_t sent = send(p->fd, p->unsent, p->unsent_size, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) fail_errno("POST");
  if (sent > 0) p->unsent += sent, p->unsent_size -= sent;
  watch(p->fd, p, p->unsent_size > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
}

/* An answer is over when its length has come, or its last chunk. */
static void poster_event(struct poster *p, int events) {
  if (!p->busy) return poster_close(p); /* nobody used it for a while */
  if (events & EPOLLOUT) return poster_send(p);
  ssize_t got = read(p->fd, p->head + p->head_size, sizeof p->head - 1 - p->head_size);
  if (got <= 0) fail("a POST was not answered", p->head, p->head_size);
  p->head_size += got;
  p->head[p->head_size] = 0;
  char *end = strstr(p->head, "\r\n\r\n"), *length = strcasestr(p->head, "\r\ncontent-length:");
  if (end == NULL) return;
  if (strncmp(p->head, "HTTP/1.1 2", 10) != 0) fail("a POST was refused", p->head, p->head_size);
  uint32_t body = p->head + p->head_size - end - 4;
  if (length != NULL && length < end ? body < (uint32_t)atoi(length + 17)
                                     : strcasestr(p->head, "\r\ntransfer-encoding: chunked") && !strstr(end, "0\r\n\r\n"))
    return;
  p->busy = 0;
  p->head_size = 0;
  awaited--;
}

static void stdin_event(void) {
  ssize_t got = read(0, line + line_size, sizeof line - 1 - line_size);
  if (got <= 0) exit(0);
  line_size += got;
  line[line_size] = 0;
  line_ready = strchr(line, '\n') != NULL;
}

static enum kind on_stdin = STDIN;

static void pump(int timeout_ms) {
  static struct epoll_event events[512];
  int count = epoll_wait(loop, events, 512, timeout_ms);
  for (int i = 0; i < count; i++) {
    void *who = events[i].data.ptr;
    if (*(enum kind *)who == CLIENT) client_event(who, events[i].events);
    else if (*(enum kind *)who == POSTER) poster_event(who, events[i].events);
    else stdin_event();
  }
}

static uint32_t number(FILE *file) {
  uint32_t value;
  return fread(&value, 4, 1, file) == 1 ? value : 0;
}

static char *bytes(FILE *file, uint32_t *size) {
  *size = number(file);
  char *read = malloc(*size + 1);
  if (fread(read, 1, *size, file) != *size) fail("a file is too short", "", 0);
  return read;
}

static FILE *open_file(const char *name) {
  FILE *file = fopen(name, "rb");
  if (file == NULL) fail_errno(name);
  return file;
}

static struct group *group(uint32_t at) {
  if (at >= groups_count) {
    groups = realloc(groups, (at + 1) * sizeof *groups);
    memset(groups + groups_count, 0, (at + 1 - groups_count) * sizeof *groups);
    groups_count = at + 1;
  }
  return &groups[at];
}

static void do_connect(int port, const char *name, uint32_t at_once) {
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
    pump(1000);
    if (now_us() - started > 60e6) fail("clients do not get in", "", 0);
  }
  fclose(file);
  printf("{\"clients\":%u,\"ms\":%.1f}\n", ready_count, (now_us() - started) / 1e3);
}

static void do_leave(void) {
  for (uint32_t i = 0; i < clients_count; i++) {
    close(clients[i]->fd);
    free(clients[i]->rest);
    free(clients[i]);
  }
  clients_count = ready_count = 0;
  for (uint32_t i = 0; i < groups_count; i++) groups[i].members = 0;
  printf("{}\n");
}

static void do_posts(int port, int connections, uint64_t per_post, const char *name) {
  FILE *file = open_file(name);
  batch = per_post;
  for (int i = 0; i < posters_count; i++) poster_close(&posters[i]);
  free(posters);
  for (uint32_t i = 0; i < groups_count; i++) {
    free(groups[i].request);
    groups[i].request = NULL;
  }
  for (uint32_t count = number(file); count > 0; count--) {
    struct group *g = group(number(file));
    g->every = number(file);
    g->request = bytes(file, &g->request_size);
  }
  fclose(file);
  posters = calloc(posters_count = connections, sizeof *posters);
  for (int i = 0; i < connections; i++) posters[i] = (struct poster){.kind = POSTER, .fd = -1, .port = port};
  printf("{}\n");
}

static void post(struct group *g, double at) {
  struct poster *p = posters;
  while (p->busy) p++;
  if (p->fd < 0) poster_open(p);
  for (uint64_t i = 0; i < batch; i++) g->posted_at[(g->posted * batch + i) % g->room] = at;
  g->posted++;
  p->busy = 1;
  p->unsent = g->request;
  p->unsent_size = g->request_size;
  awaited++;
  poster_send(p);
}

static int someone_idle(void) {
  for (int i = 0; i < posters_count; i++)
    if (!posters[i].busy) return 1;
  return 0;
}

static double percentile(double share) {
  uint64_t wanted = deliveries * share, seen = 0;
  for (uint32_t i = 0; i < BUCKETS; i++)
    if ((seen += buckets[i]) > wanted) return (i + 0.5) * BUCKET_US / 1e3;
  return 0;
}

static double cpu_ms(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static void do_run(double ms, uint64_t window, uint64_t most, double pace_us) {
  for (uint32_t i = 0; i < clients_count; i++) clients[i]->received = 0;
  for (uint32_t i = 0; i < groups_count; i++) {
    struct group *g = &groups[i];
    g->posted = 0;
    g->room = batch * (window + 1);
    free(g->got);
    free(g->posted_at);
    g->got = calloc(g->room, sizeof *g->got);
    g->posted_at = calloc(g->room, sizeof *g->posted_at);
  }
  /* Servers close connections that are idle for seconds, and may take one new one at a time. */
  for (int i = 0; i < posters_count; i++) poster_close(&posters[i]), poster_open(&posters[i]);
  for (double opened = now_us(); now_us() - opened < SETTLE_MS * 1e3;) pump(SETTLE_MS);
  memset(buckets, 0, BUCKETS * sizeof *buckets);
  frames = surplus = in_flight = awaited = deliveries = to_last_count = 0;

  double cpu = cpu_ms(), started = now_us(), due = started;
  uint64_t posted = 0, side = 0, expected = 0;
  uint32_t next = 0;
  progress_at = started;
  for (;;) {
    double us = now_us();
    int going = us - started < ms * 1e3 && posted < most;
    if (!going && in_flight == 0 && awaited == 0) break;
    while (going && in_flight < window && us >= due && posted < most && someone_idle()) {
      while (groups[next].request == NULL || groups[next].every > 0) next = (next + 1) % groups_count;
      struct group *g = &groups[next];
      /* Behind its time, it counts from when it should have been sent. */
      post(g, pace_us > 0 ? due : us);
      in_flight++;
      posted++;
      expected += g->members * batch;
      next = (next + 1) % groups_count;
      if (pace_us > 0) due += pace_us;
      for (uint32_t i = 0; i < groups_count; i++) {
        struct group *s = &groups[i];
        if (s->every == 0 || posted % s->every != 0 || !someone_idle()) continue;
        post(s, us);
        side++;
        awaited++;
        expected += s->members * batch;
      }
    }
    double wait_ms = pace_us > 0 && going ? (due - now_us()) / 1e3 : 1000;
    pump(wait_ms < 0 ? 0 : (int)wait_ms);
    if (now_us() - progress_at > STALL_MS * 1e3) break;
  }
  double took = (now_us() - started) / 1e3, spent = cpu_ms() - cpu;
  printf("{\"posts\":%lu,\"side\":%lu,\"frames\":%lu,\"expected\":%lu,\"surplus\":%lu,\"unanswered\":%lu,\"ms\":%.2f,\"cpuMs\":%.2f,"
         "\"p50\":%.3f,\"p99\":%.3f,\"sample\":\"",
         posted, side, frames, expected, surplus, awaited, took, spent, percentile(0.5), percentile(0.99));
  for (uint32_t i = 0; i < sample_size; i++) printf("%02x", (unsigned char)sample[i]);
  printf("\",\"toLast\":[");
  for (uint64_t i = 0; i < to_last_count && i < 5000; i++) printf("%s%.3f", i > 0 ? "," : "", to_last[i] / 1e3);
  printf("]}\n");
}

int main(void) {
  loop = epoll_create1(0);
  buckets = calloc(BUCKETS, sizeof *buckets);
  to_last = calloc(MOST_POSTS, sizeof *to_last);
  watch(0, &on_stdin, EPOLLIN, EPOLL_CTL_ADD);
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    while (!line_ready) pump(-1);
    char name[1024], first[128], second[128], *end = strchr(line, '\n');
    unsigned port, a, b;
    double ms, pace;
    unsigned long window, most;
    *end = 0;
    if (sscanf(line, "connect %u %1023s %u %127s %127s", &port, name, &a, first, second) == 5) {
      greeting = strcmp(first, "-") == 0 ? "" : strdup(first);
      confirmation = strcmp(second, "-") == 0 ? "" : strdup(second);
      do_connect(port, name, a);
    } else if (sscanf(line, "posts %u %u %u %1023s", &port, &a, &b, name) == 4) do_posts(port, a, b, name);
    else if (sscanf(line, "run %lf %lu %lu %lf", &ms, &window, &most, &pace) == 4) do_run(ms, window, most, pace);
    else if (strcmp(line, "leave") == 0) do_leave();
    else fail("no such command", line, strlen(line));
    fflush(stdout);
    line_size -= end + 1 - line;
    memmove(line, end + 1, line_size + 1);
    line_ready = strchr(line, '\n') != NULL;
  }
}
