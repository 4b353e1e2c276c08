/*
 * Time, errors, sockets, files, and the one place that waits.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <time.h>
#include "generator.h"

static int loop = -1;
struct group *groups;
uint32_t groups_count;

double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

void fail(const char *what, const char *detail, int size) {
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

void fail_errno(const char *what) { fail(what, strerror(errno), strlen(strerror(errno))); }

void watch(int fd, void *waiting, int events, int operation) {
  if (loop < 0) loop = epoll_create1(0);
  struct epoll_event event = {.events = events, .data.ptr = waiting};
  if (epoll_ctl(loop, operation, fd, &event) != 0) fail_errno("epoll");
}

int dial(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  if (fd < 0) fail_errno("socket");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) fail_errno("connect");
  return fd;
}

/* Returns how many events there were. */
int pump(int timeout_ms) {
  static struct epoll_event events[512];
  int count = epoll_wait(loop, events, 512, timeout_ms);
  for (int i = 0; i < count; i++) {
    void *waiting = events[i].data.ptr;
    if (*(enum kind *)waiting == CLIENT) client_event(waiting, events[i].events);
    else if (*(enum kind *)waiting == POSTER) poster_event(waiting, events[i].events);
    else stdin_event();
  }
  return count;
}

struct group *group(uint32_t at) {
  if (at >= groups_count) {
    groups = realloc(groups, (at + 1) * sizeof *groups);
    memset(groups + groups_count, 0, (at + 1 - groups_count) * sizeof *groups);
    groups_count = at + 1;
  }
  return &groups[at];
}

FILE *open_file(const char *name) {
  FILE *file = fopen(name, "rb");
  if (file == NULL) fail_errno(name);
  return file;
}

uint32_t number(FILE *file) {
  uint32_t value;
  return fread(&value, 4, 1, file) == 1 ? value : 0;
}

char *bytes(FILE *file, uint32_t *size) {
  *size = number(file);
  char *read = malloc(*size + 1);
  if (fread(read, 1, *size, file) != *size) fail("a file is too short", "", 0);
  return read;
}
