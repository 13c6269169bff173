/* Preloaded into the relay: writes a byte to $SYNC_LOG for each successful fsync or fdatasync of a WAL.
   While the file $SYNC_FAILS exists, a sync of a WAL fails with EIO, as that of a dying disk does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_wal(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  return length >= 4 && memcmp(path + length - 4, "-wal", 4) == 0;
}

static int fails(int fd) {
  const char *file = getenv("SYNC_FAILS");
  return file != NULL && access(file, F_OK) == 0 && is_wal(fd);
}

static void note(int fd) {
  const char *log = getenv("SYNC_LOG");
  if (log == NULL || !is_wal(fd)) return;
  int out = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (out < 0 || write(out, "w", 1) != 1) abort();
  close(out);
}

int fsync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  if (fails(fd)) {
    errno = EIO;
    return -1;
  }
  int result = real(fd);
  if (result == 0) note(fd);
  return result;
}

int fdatasync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  if (fails(fd)) {
    errno = EIO;
    return -1;
  }
  int result = real(fd);
  if (result == 0) note(fd);
  return result;
}
