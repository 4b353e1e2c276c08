/*
 * The load generator: thousands of WebSocket clients, and the backend that POSTs to them, in one thread around epoll.
 *
 * Commands come in on standard input, one a line; each is answered with one line of JSON.
 *
 *   connect PORT FILE AT_ONCE GREETING CONFIRMATION   adds the clients of FILE (records of group, request, first words)
 *   posts PORT CONNECTIONS BATCH FILE                 what to POST (records of group, every, request), BATCH messages each
 *   run MS WINDOW MOST PACE_US                        POSTs and counts; ends when every message that was sent has arrived
 *   leave                                             closes the clients
 *
 * A group is the clients that listen to one stream. A message is in flight until the last client of its group has it and its
 * POST is answered; at most WINDOW messages are in flight. A group whose `every` is n > 0 gets one message after every n-th
 * message of the others, and does not count in the latencies. Clients of group DEAF read nothing once they are connected.
 * We count frames of SMALLEST bytes or more: pings and confirmations are shorter.
 */
#include <time.h>
#include "generator.h"

enum { BUCKET_US = 10, BUCKETS = 1 << 20, MOST_POSTS = 1 << 20, STALL_MS = 15000, SETTLE_MS = 100 };

static char line[4096];
static uint32_t line_size;
static int line_ready;

uint64_t frames, surplus, in_flight, awaited;
double progress_at;
static uint64_t deliveries, to_last_count;
static uint32_t *buckets;
static double *to_last, idle_us;

void took(double us) {
  uint64_t bucket = us / BUCKET_US;
  buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  deliveries++;
}

void took_to_last(double us) { to_last[to_last_count++] = us; }

static double percentile(double share) {
  uint64_t wanted = deliveries * share, seen = 0;
  for (uint32_t i = 0; i < BUCKETS; i++)
    if ((seen += buckets[i]) > wanted) return (i + 0.5) * BUCKET_US / 1e3;
  return 0;
}

/* It never sleeps during a run: the server would pay for waking it, and no server pays for waking remote clients. */
static void poll_busily(void) {
  double started = now_us();
  if (pump(0) == 0) idle_us += now_us() - started;
}

static void do_run(double ms, uint64_t window, uint64_t most, double pace_us) {
  clients_forget_messages();
  for (uint32_t i = 0; i < groups_count; i++) {
    struct group *g = &groups[i];
    g->posted = 0;
    g->room = batch * (window + 1);
    free(g->got);
    free(g->posted_at);
    g->got = calloc(g->room, sizeof *g->got);
    g->posted_at = calloc(g->room, sizeof *g->posted_at);
  }
  /* Servers may take in one connection at a time. */
  posters_reopen();
  for (double opened = now_us(); now_us() - opened < SETTLE_MS * 1e3;) pump(SETTLE_MS);
  memset(buckets, 0, BUCKETS * sizeof *buckets);
  frames = surplus = in_flight = awaited = deliveries = to_last_count = 0;

  double started = now_us(), due = started;
  idle_us = 0;
  uint64_t posted = 0, side = 0, expected = 0;
  uint32_t next = 0;
  progress_at = started;
  for (;;) {
    double us = now_us();
    int going = us - started < ms * 1e3 && posted < most;
    if (!going && in_flight == 0 && awaited == 0) break;
    while (going && in_flight < window && us >= due && posted < most && poster_idle()) {
      while (groups[next].request == NULL || groups[next].every > 0) next = (next + 1) % groups_count;
      struct group *g = &groups[next];
      /* A late message counts from the time at which it was due. */
      post(g, pace_us > 0 ? due : us);
      in_flight++;
      posted++;
      expected += g->members * batch;
      next = (next + 1) % groups_count;
      if (pace_us > 0) due += pace_us;
      for (uint32_t i = 0; i < groups_count; i++) {
        struct group *s = &groups[i];
        if (s->every == 0 || posted % s->every != 0 || !poster_idle()) continue;
        post(s, us);
        side++;
        awaited++;
        expected += s->members * batch;
      }
    }
    poll_busily();
    if (now_us() - progress_at > STALL_MS * 1e3) break;
  }
  double lasted = (now_us() - started) / 1e3;
  printf("{\"posts\":%lu,\"side\":%lu,\"frames\":%lu,\"expected\":%lu,\"surplus\":%lu,\"unanswered\":%lu,\"ms\":%.2f,\"idleMs\":%.2f,"
         "\"p50\":%.3f,\"p99\":%.3f,\"sample\":\"",
         posted, side, frames, expected, surplus, awaited, lasted, idle_us / 1e3, percentile(0.5), percentile(0.99));
  for (uint32_t i = 0; i < sample_size; i++) printf("%02x", (unsigned char)sample[i]);
  printf("\",\"toLast\":[");
  for (uint64_t i = 0; i < to_last_count && i < 5000; i++) printf("%s%.3f", i > 0 ? "," : "", to_last[i] / 1e3);
  printf("]}\n");
}

void stdin_event(void) {
  ssize_t got = read(0, line + line_size, sizeof line - 1 - line_size);
  if (got <= 0) exit(0);
  line_size += got;
  line[line_size] = 0;
  line_ready = strchr(line, '\n') != NULL;
}

static enum kind on_stdin = STDIN;

int main(void) {
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
      clients_connect(port, name, a, strcmp(first, "-") == 0 ? "" : first, strcmp(second, "-") == 0 ? "" : second);
    } else if (sscanf(line, "posts %u %u %u %1023s", &port, &a, &b, name) == 4) posters_read(port, a, b, name);
    else if (sscanf(line, "run %lf %lu %lu %lf", &ms, &window, &most, &pace) == 4) do_run(ms, window, most, pace);
    else if (strcmp(line, "leave") == 0) clients_leave();
    else fail("no such command", line, strlen(line));
    fflush(stdout);
    line_size -= end + 1 - line;
    memmove(line, end + 1, line_size + 1);
    line_ready = strchr(line, '\n') != NULL;
  }
}
