/*
 * Loaded before a program (LD_PRELOAD): makes chosen calls on the files of one folder fail, wait, or be the process's
 * last. L2T_FAULT_BELOW   the folder: calls on other files pass L2T_FAULT_COUNTS  a file of 8-byte counters, one for
 * each operation in the order below, which outlives the process L2T_FAULT         OPERATION:N:ACTION, of the N-th call
 * on: OPERATION is one of the names below; ACTION is kill, an errno for that call alone (28), for it and all that
 * follow (28+), or wait (milliseconds, each call)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum operation { WRITE, FSYNC, RENAME, OPEN, READ, LINK, UNLINK, MKDIR, OPERATIONS };
static const char* const names[OPERATIONS] = {"write", "fsync", "rename", "open", "read", "link", "unlink", "mkdir"};

static const char* below;
static size_t below_length;
static _Atomic uint64_t* counts;
static enum operation chosen = OPERATIONS;
static uint64_t nth;
static int failure, from_then_on, kills, waits;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void) {
  below = getenv("L2T_FAULT_BELOW");
  const char *file = getenv("L2T_FAULT_COUNTS"), *fault = getenv("L2T_FAULT");
  if (!below || !file) return;
  below_length = strlen(below);
  int fd = NEXT(open)(file, O_RDWR | O_CREAT, 0666);
  if (fd < 0 || ftruncate(fd, 8 * OPERATIONS) != 0) abort();
  counts = mmap(NULL, 8 * OPERATIONS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (counts == MAP_FAILED) abort();
  close(fd);
  char name[16], action[16];
  unsigned long long n;
  if (!fault || sscanf(fault, "%15[a-z]:%llu:%15s", name, &n, action) != 3) return;
  nth = n;
  for (int k = 0; k < OPERATIONS; k++)
    if (strcmp(name, names[k]) == 0) chosen = k;
  if (strcmp(action, "kill") == 0)
    kills = 1;
  else if (strncmp(action, "wait", 4) == 0)
    waits = atoi(action + 4);
  else
    failure = atoi(action), from_then_on = strchr(action, '+') != NULL;
}

static int is_below(const char* path) {
  return strncmp(path, below, below_length) == 0 && (path[below_length] == '/' || path[below_length] == 0);
}

/* Paths of this campaign are absolute, but a run may be named relative to its folder. */
static int path_is_below(const char* path) {
  if (!below || !counts || !path) return 0;
  if (path[0] == '/') return is_below(path);
  char whole[2 * PATH_MAX];
  if (!getcwd(whole, PATH_MAX)) return 0;
  strcat(whole, "/");
  strncat(whole, path, PATH_MAX - 1);
  return is_below(whole);
}

static int fd_is_below(int fd) {
  if (!below || !counts || fd < 3) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_below(path);
}

/* Returns whether the call is to fail; errno says how. */
static int strike(enum operation operation) {
  const uint64_t count = 1 + atomic_fetch_add(&counts[operation], 1);
  if (operation != chosen || count < nth) return 0;
  if (waits) {
    const struct timespec time = {waits / 1000, (waits % 1000) * 1000000L};
    nanosleep(&time, NULL);
    return 0;
  }
  if (count > nth && !from_then_on) return 0;
  if (kills) {
    kill(getpid(), SIGKILL);
    pause();
  }
  errno = failure;
  return 1;
}

#define ON_FD(operation, type, name, parameters, arguments) \
  type name parameters {                                    \
    static __typeof__(&name) next;                          \
    if (!next) next = NEXT(name);                           \
    if (fd_is_below(fd) && strike(operation)) return -1;    \
    return next arguments;                                  \
  }
ON_FD(WRITE, ssize_t, write, (int fd, const void* data, size_t size), (fd, data, size))
ON_FD(WRITE, ssize_t, pwrite, (int fd, const void* data, size_t size, off_t at), (fd, data, size, at))
ON_FD(WRITE, ssize_t, pwrite64, (int fd, const void* data, size_t size, off64_t at), (fd, data, size, at))
ON_FD(WRITE, ssize_t, writev, (int fd, const struct iovec* data, int count), (fd, data, count))
ON_FD(WRITE, ssize_t, pwritev, (int fd, const struct iovec* data, int count, off_t at), (fd, data, count, at))
ON_FD(WRITE, ssize_t, pwritev64, (int fd, const struct iovec* data, int count, off64_t at), (fd, data, count, at))
ON_FD(READ, ssize_t, read, (int fd, void* data, size_t size), (fd, data, size))
ON_FD(READ, ssize_t, pread, (int fd, void* data, size_t size, off_t at), (fd, data, size, at))
ON_FD(READ, ssize_t, pread64, (int fd, void* data, size_t size, off64_t at), (fd, data, size, at))
ON_FD(READ, ssize_t, readv, (int fd, const struct iovec* data, int count), (fd, data, count))
ON_FD(READ, ssize_t, preadv, (int fd, const struct iovec* data, int count, off_t at), (fd, data, count, at))
ON_FD(READ, ssize_t, preadv64, (int fd, const struct iovec* data, int count, off64_t at), (fd, data, count, at))
ON_FD(FSYNC, int, fsync, (int fd), (fd))
ON_FD(FSYNC, int, fdatasync, (int fd), (fd))

#define ON_PATH(operation, name, parameters, arguments)      \
  int name parameters {                                      \
    static __typeof__(&name) next;                           \
    if (!next) next = NEXT(name);                            \
    if (path_is_below(path) && strike(operation)) return -1; \
    return next arguments;                                   \
  }
ON_PATH(RENAME, rename, (const char* path, const char* to), (path, to))
ON_PATH(LINK, link, (const char* path, const char* to), (path, to))
ON_PATH(UNLINK, unlink, (const char* path), (path))
ON_PATH(MKDIR, mkdir, (const char* path, mode_t mode), (path, mode))

#define OPENING(name)                                                          \
  int name(const char* path, int flags, ...) {                                 \
    static int (*next)(const char*, int, ...);                                 \
    if (!next) next = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, #name); \
    va_list rest;                                                              \
    va_start(rest, flags);                                                     \
    const mode_t mode = va_arg(rest, mode_t);                                  \
    va_end(rest);                                                              \
    if (path_is_below(path) && strike(OPEN)) return -1;                        \
    return next(path, flags, mode);                                            \
  }
OPENING(open)
OPENING(open64)
