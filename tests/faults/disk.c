/* Preloaded into the relay: a disk that counts, remembers and misbehaves, for the store's files (*.db, *-wal).

   $SYNC_LOG     gets a byte for each successful sync of a WAL.
   $SYNC_SHADOW  a folder that gets a copy of a file at each successful sync of it: what a power cut would leave.
   $DISK_FAULT   a file; while it exists, its text says what fails: "write ENOSPC", "write EIO", "write EROFS",
                 "read EIO", "open EROFS", "sync EIO", or "sync slow", which takes 300 ms. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Writes the path of a store's file to `path`; returns 0 for any other file. */
static int store_file(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return ends_with(path, "-wal") || ends_with(path, ".db");
}

/* Returns the errno with which `operation` fails now; 0 if it does not; -1 if it is slow. */
static int wanted(const char *operation) {
  const char *file = getenv("DISK_FAULT");
  char text[64] = "";
  if (file == NULL) return 0;
  int (*opens)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
  int in = opens(file, O_RDONLY | O_CLOEXEC);
  if (in < 0) return 0;
  ssize_t (*plain)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
  ssize_t got = plain(in, text, sizeof text - 1);
  close(in);
  if (got <= 0 || strncmp(text, operation, strlen(operation)) != 0) return 0;
  if (strstr(text, "ENOSPC")) return ENOSPC;
  if (strstr(text, "EROFS")) return EROFS;
  if (strstr(text, "slow")) return -1;
  return EIO;
}

/* The same for a file of the store; 0 for any other. */
static int fault(const char *operation, int fd) {
  char path[4096];
  int how = wanted(operation);
  return how != 0 && store_file(fd, path, sizeof path) ? how : 0;
}

static void copy(int fd, const char *path, const char *folder) {
  char target[8192], buffer[65536];
  const char *name = strrchr(path, '/');
  snprintf(target, sizeof target, "%s%s", folder, name == NULL ? path : name);
  int in = open(path, O_RDONLY | O_CLOEXEC), out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ssize_t (*plain)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  ssize_t got = 0;
  if (in < 0 || out < 0) abort();
  while ((got = read(in, buffer, sizeof buffer)) > 0)
    if (plain(out, buffer, got) != got) abort();
  close(in);
  close(out);
  (void)fd;
}

static void note(int fd) {
  char path[4096];
  const char *log = getenv("SYNC_LOG"), *shadow = getenv("SYNC_SHADOW");
  if (!store_file(fd, path, sizeof path)) return;
  if (log != NULL && ends_with(path, "-wal")) {
    int out = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (out < 0 || write(out, "w", 1) != 1) abort();
    close(out);
  }
  if (shadow != NULL) copy(fd, path, shadow);
}

static int synced(const char *name, int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  int wrong = fault("sync", fd);
  if (wrong > 0) {
    errno = wrong;
    return -1;
  }
  if (wrong < 0) usleep(300000);
  int result = real(fd);
  if (result == 0) note(fd);
  return result;
}

int fsync(int fd) { return synced("fsync", fd); }

int fdatasync(int fd) { return synced("fdatasync", fd); }

#define WRITES(name, offset)                                                          \
  ssize_t name(int fd, const void *data, size_t size, offset at) {                    \
    ssize_t (*real)(int, const void *, size_t, offset) =                              \
        (ssize_t (*)(int, const void *, size_t, offset))dlsym(RTLD_NEXT, #name);      \
    int wrong = fault("write", fd);                                                   \
    if (wrong > 0) {                                                                  \
      errno = wrong;                                                                  \
      return -1;                                                                      \
    }                                                                                 \
    return real(fd, data, size, at);                                                  \
  }

WRITES(pwrite, off_t)
WRITES(pwrite64, off64_t)

#define READS(name, offset)                                                           \
  ssize_t name(int fd, void *data, size_t size, offset at) {                          \
    ssize_t (*real)(int, void *, size_t, offset) =                                    \
        (ssize_t (*)(int, void *, size_t, offset))dlsym(RTLD_NEXT, #name);            \
    int wrong = fault("read", fd);                                                    \
    if (wrong > 0) {                                                                  \
      errno = wrong;                                                                  \
      return -1;                                                                      \
    }                                                                                 \
    return real(fd, data, size, at);                                                  \
  }

READS(pread, off_t)
READS(pread64, off64_t)

#define OPENS(name)                                                                   \
  int name(const char *path, int flags, ...) {                                        \
    int (*real)(const char *, int, ...) =                                             \
        (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);                     \
    mode_t mode = 0;                                                                  \
    if (flags & O_CREAT) {                                                            \
      va_list rest;                                                                   \
      va_start(rest, flags);                                                          \
      mode = va_arg(rest, mode_t);                                                    \
      va_end(rest);                                                                   \
    }                                                                                 \
    if ((flags & O_ACCMODE) != O_RDONLY && ends_with(path, ".db")) {                  \
      int wrong = wanted("open");                                                     \
      if (wrong > 0) {                                                                \
        errno = wrong;                                                                \
        return -1;                                                                    \
      }                                                                               \
    }                                                                                 \
    return real(path, flags, mode);                                                   \
  }

OPENS(open)
OPENS(open64)
