/* Sends one HTTP request again and again at a fixed rate, and measures from when each was due: a request that
   had to wait because the answers before it were slow has waited, and that counts (no coordinated omission).

     open_loop PORT RATE COUNT CONNECTIONS SEED TURNS ANSWERS < request

   RATE     requests a second; 0 sends as fast as answers come, and measures from the sending.
   ANSWERS  a file that gets a line a request: when it was due in microseconds since 1970, and the answer's body.
   In the request's head, digits are written over these marks, anew for each request:
     @sent@@@@@@@@@@@  when it was due, in microseconds since 1970
     @unique@@@@@      a number that no other request has; the first is SEED
     @turn@            0 to TURNS - 1 in turn

   Prints one JSON object: how many were answered 2xx, how many were not, seconds, latencies in milliseconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 1024         /* connections */
#define GRACE 60.0        /* seconds after the last one was due until what has no answer is given up */
#define ANSWER (64 << 10) /* bytes of an answer */

enum state { CLOSED, IDLE, SENDING, WAITING };

struct connection {
  enum state state;
  double due;
  char *request, *answer;
  size_t sent, got;
};

static struct connection connections[MOST];
static struct pollfd polled[MOST];
static char *template, *mark_sent, *mark_unique, *mark_turn;
static size_t length;
static double *latencies;
static long answered, failed;
static double wall; /* what to add to the steady clock for seconds since 1970 */
static FILE *answers;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double clock_of(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_request(void) {
  size_t room = 4 << 20;
  template = calloc(1, room + 1);
  for (size_t got; (got = fread(template + length, 1, room - length, stdin)) > 0;) length += got;
  mark_sent = strstr(template, "@sent@@@@@@@@@@@");
  mark_unique = strstr(template, "@unique@@@@@");
  mark_turn = strstr(template, "@turn@");
}

static void number(struct connection *one, const char *mark, int width, long value) {
  char digits[32];
  if (mark == NULL) return;
  snprintf(digits, sizeof digits, "%0*ld", width, value);
  memcpy(one->request + (mark - template), digits, width);
}

static void open_connection(int n, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  polled[n].fd = fd;
  polled[n].events = POLLIN;
  connections[n].state = IDLE;
}

static void end(int n, int is_good) {
  struct connection *one = &connections[n];
  if (is_good)
    latencies[answered++] = (clock_of(CLOCK_MONOTONIC) - one->due) * 1000;
  else
    failed++;
  one->state = IDLE;
}

/* The server has closed it: what was under way has failed, and it is opened anew. */
static void reopen(int n, int port) {
  if (connections[n].state != IDLE) end(n, 0);
  close(polled[n].fd);
  open_connection(n, port);
}

static int send_more(int n) {
  struct connection *one = &connections[n];
  while (one->sent < length) {
    ssize_t done = write(polled[n].fd, one->request + one->sent, length - one->sent);
    if (done < 0) {
      if (errno != EAGAIN) return -1;
      polled[n].events = POLLIN | POLLOUT;
      return 0;
    }
    one->sent += done;
  }
  polled[n].events = POLLIN;
  one->state = WAITING;
  return 0;
}

static int receive(int n) {
  struct connection *one = &connections[n];
  ssize_t done = read(polled[n].fd, one->answer + one->got, ANSWER - 1 - one->got);
  if (done < 0) return errno == EAGAIN ? 0 : -1;
  if (done == 0 || one->state == IDLE) return -1;
  one->got += done;
  one->answer[one->got] = 0;
  char *body = strstr(one->answer, "\r\n\r\n");
  if (body == NULL) return 0;
  char *size = strcasestr(one->answer, "\r\ncontent-length:");
  size_t whole = size != NULL && size < body ? strtoul(size + 17, NULL, 10) : 0;
  body += 4;
  if (one->answer + one->got < body + whole) return 0;
  if (answers != NULL) fprintf(answers, "%.0f %.*s\n", (one->due + wall) * 1e6, (int)whole, body);
  end(n, strncmp(one->answer, "HTTP/1.1 2", 10) == 0);
  return 0;
}

static int by_size(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double percentile(double share) {
  long at = (long)(share * (double)answered);
  if (answered == 0) return -1; /* there is none */
  return latencies[at < answered ? at : answered - 1];
}

int main(int count, char **arguments) {
  if (count != 8) return fprintf(stderr, "usage: PORT RATE COUNT CONNECTIONS SEED TURNS ANSWERS\n"), 2;
  int port = atoi(arguments[1]), width = atoi(arguments[4]);
  double rate = atof(arguments[2]);
  long total = atol(arguments[3]), seed = atol(arguments[5]), turns = atol(arguments[6]), next = 0;
  answers = *arguments[7] != 0 ? fopen(arguments[7], "w") : NULL;
  if (width < 1 || width > MOST || total < 1 || turns < 1) return fprintf(stderr, "out of range\n"), 2;
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 1);
  read_request();
  latencies = calloc(total, sizeof *latencies);
  for (int n = 0; n < width; n++) {
    connections[n].request = memcpy(malloc(length), template, length);
    connections[n].answer = malloc(ANSWER);
    open_connection(n, port);
  }
  double began = clock_of(CLOCK_MONOTONIC), last = began + (rate > 0 ? total / rate : 0) + GRACE;
  wall = clock_of(CLOCK_REALTIME) - began;
  while (answered + failed < total) {
    double now = clock_of(CLOCK_MONOTONIC), wait = last - now;
    if (wait <= 0) break;
    for (int n = 0; n < width && next < total; n++) {
      struct connection *one = &connections[n];
      double due = rate > 0 ? began + next / rate : now;
      if (one->state != IDLE) continue;
      if (due > now) {
        wait = due - now;
        break;
      }
      one->state = SENDING;
      one->due = due;
      one->sent = one->got = 0;
      number(one, mark_sent, 16, (long)((due + wall) * 1e6));
      number(one, mark_unique, 12, seed + next);
      number(one, mark_turn, 6, next % turns);
      next++;
      if (send_more(n) != 0) reopen(n, port);
    }
    struct timespec patience = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
    if (ppoll(polled, width, &patience, NULL) < 0 && errno != EINTR) fail("ppoll");
    for (int n = 0; n < width; n++) {
      int bad = 0;
      if (polled[n].revents & POLLOUT && connections[n].state == SENDING) bad = send_more(n);
      if (bad == 0 && polled[n].revents & (POLLIN | POLLHUP | POLLERR)) bad = receive(n);
      if (bad != 0) reopen(n, port);
    }
  }
  double took = clock_of(CLOCK_MONOTONIC) - began;
  qsort(latencies, answered, sizeof *latencies, by_size);
  printf("{\"answered\": %ld, \"failed\": %ld, \"seconds\": %.6f, ", answered, total - answered, took);
  printf("\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"max\": %.3f}\n", percentile(0.5),
         percentile(0.9), percentile(0.99), percentile(0.999), percentile(1));
  if (answers != NULL) fclose(answers);
  return 0;
}
