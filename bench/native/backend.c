/*
 * The backend: it POSTs on connections that it keeps.
 */
#include "generator.h"

struct poster {
  enum kind kind;
  int fd, port, busy;
  const char *unsent;
  uint32_t unsent_size;
  char head[16384];
  uint32_t head_size;
};

uint64_t batch = 1;
static struct poster *posters;
static int posters_count;

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

/* An answer is complete after its length, or after its last chunk. */
void poster_event(void *waiting, int events) {
  struct poster *p = waiting;
  if (!p->busy) return poster_close(p); /* idle for a while */
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

void posters_read(int port, int connections, uint64_t per_post, const char *name) {
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

/* Servers close connections that are idle for seconds. */
void posters_reopen(void) {
  for (int i = 0; i < posters_count; i++) poster_close(&posters[i]), poster_open(&posters[i]);
}

int poster_idle(void) {
  for (int i = 0; i < posters_count; i++)
    if (!posters[i].busy) return 1;
  return 0;
}

void post(struct group *g, double at) {
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
