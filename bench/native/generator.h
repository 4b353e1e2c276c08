/*
 * What the parts of the load generator share.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A group of clients that read nothing. */
#define DEAF 0xffffffff

/* The first field of whatever waits for an event says what the event is for. */
enum kind { STDIN, CLIENT, POSTER };

/* The clients that listen to one stream. */
struct group {
  uint32_t members, every, request_size;
  char *request;
  uint64_t posted, room;
  uint32_t *got;     /* by message, modulo room: how many members have it */
  double *posted_at; /* likewise, in µs */
};

extern struct group *groups;
extern uint32_t groups_count;
/* Messages per POST. */
extern uint64_t batch;

/* One run. `awaited`: answers to POSTs, and messages that are not measured. */
extern uint64_t frames, surplus, in_flight, awaited;
extern double progress_at;

/* common.c */
double now_us(void);
void fail(const char *what, const char *detail, int size);
void fail_errno(const char *what);
void watch(int fd, void *waiting, int events, int operation);
int dial(int port);
int pump(int timeout_ms);
struct group *group(uint32_t at);
FILE *open_file(const char *name);
uint32_t number(FILE *file);
char *bytes(FILE *file, uint32_t *size);

/* clients.c */
extern char sample[];
extern uint32_t sample_size;
void client_event(void *waiting, int events);
void clients_connect(int port, const char *name, uint32_t at_once, const char *greeting, const char *confirmation);
void clients_leave(void);
void clients_forget_messages(void);

/* backend.c */
void poster_event(void *waiting, int events);
void posters_read(int port, int connections, uint64_t per_post, const char *name);
void posters_reopen(void);
int poster_idle(void);
void post(struct group *g, double at);

/* generator.c */
void stdin_event(void);
/* A measured message took this long, to one client; to the last client of its group. */
void took(double us);
void took_to_last(double us);
