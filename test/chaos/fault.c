/*
 * Loaded before a program (LD_PRELOAD): makes chosen calls on the files of one folder fail, wait, or be its last.
 * L2T_FAULT_BELOW: the folder. L2T_FAULT_COUNTS: a file of 8-byte counters, one for each operation in the order below,
 * which outlives the process. L2T_FAULT: OPERATION:N:ACTION, of the N-th call of this number on. ACTION is kill, an
 * errno for that call alone (28) or for it and all that follow (28+), or wait and milliseconds for each call.
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
#include <sys/uio.h>
#include <unistd.h>

enum operation { WRITE, FSYNC, RENAME, OPEN, READ, LINK, UNLINK, MKDIR, OPERATIONS };

static const char* below;
static _Atomic uint64_t* counts;
static unsigned chosen = OPERATIONS;
static unsigned long long nth;
static char action[16];

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void) {
  below = getenv("L2T_FAULT_BELOW");
  const char *file = getenv("L2T_FAULT_COUNTS"), *fault = getenv("L2T_FAULT");
  if (!below || !file) return;
  int fd = NEXT(open)(file, O_RDWR | O_CREAT, 0666);
  if (fd < 0 || ftruncate(fd, 8 * OPERATIONS) != 0) abort();
  counts = mmap(NULL, 8 * OPERATIONS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (counts == MAP_FAILED) abort();
  close(fd);
  if (fault) sscanf(fault, "%u:%llu:%15s", &chosen, &nth, action);
}

/* Counts a call on a path, which may be relative, and returns whether it is to fail; errno says how. */
static int strike(enum operation operation, const char* path) {
  char whole[2 * PATH_MAX] = "";
  if (!counts || !path || (path[0] != '/' && !getcwd(whole, PATH_MAX))) return 0;
  if (path[0] != '/') strcat(whole, "/");
  strncat(whole, path, PATH_MAX - 1);
  const size_t length = strlen(below);
  if (strncmp(whole, below, length) != 0 || (whole[length] != '/' && whole[length] != 0)) return 0;
  const uint64_t count = 1 + atomic_fetch_add(&counts[operation], 1);
  if (operation != chosen || count < nth) return 0;
  if (strncmp(action, "wait", 4) == 0) return usleep(1000 * atoi(action + 4)), 0;
  if (count > nth && !strchr(action, '+')) return 0;
  if (strcmp(action, "kill") == 0) kill(getpid(), SIGKILL), pause();
  errno = atoi(action);
  return 1;
}

static int strike_fd(enum operation operation, int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = fd < 3 || !counts ? 0 : readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return path[0] == '/' && strike(operation, path);
}

#define WRAP(failing, type, name, parameters, arguments) \
  type name parameters {                                 \
    static __typeof__(&name) next;                       \
    if (!next) next = NEXT(name);                        \
    if (failing) return -1;                              \
    return next arguments;                               \
  }
/* Also by its name for 64-bit offsets. */
#define WRAP64(failing, name, parameters, arguments)  \
  WRAP(failing, ssize_t, name, parameters, arguments) \
  WRAP(failing, ssize_t, name##64, parameters, arguments)
WRAP(strike_fd(WRITE, fd), ssize_t, write, (int fd, const void* data, size_t size), (fd, data, size))
WRAP(strike_fd(WRITE, fd), ssize_t, writev, (int fd, const struct iovec* data, int n), (fd, data, n))
WRAP64(strike_fd(WRITE, fd), pwrite, (int fd, const void* data, size_t size, off64_t at), (fd, data, size, at))
WRAP64(strike_fd(WRITE, fd), pwritev, (int fd, const struct iovec* data, int n, off64_t at), (fd, data, n, at))
WRAP(strike_fd(READ, fd), ssize_t, read, (int fd, void* data, size_t size), (fd, data, size))
WRAP(strike_fd(READ, fd), ssize_t, readv, (int fd, const struct iovec* data, int n), (fd, data, n))
WRAP64(strike_fd(READ, fd), pread, (int fd, void* data, size_t size, off64_t at), (fd, data, size, at))
WRAP64(strike_fd(READ, fd), preadv, (int fd, const struct iovec* data, int n, off64_t at), (fd, data, n, at))
WRAP(strike_fd(FSYNC, fd), int, fsync, (int fd), (fd))
WRAP(strike_fd(FSYNC, fd), int, fdatasync, (int fd), (fd))
WRAP(strike(RENAME, path), int, rename, (const char* path, const char* to), (path, to))
WRAP(strike(LINK, path), int, link, (const char* path, const char* to), (path, to))
WRAP(strike(UNLINK, path), int, unlink, (const char* path), (path))
WRAP(strike(MKDIR, path), int, mkdir, (const char* path, mode_t mode), (path, mode))

/* open() has its mode after the flags, or not. */
#define OPENING(name)                                                          \
  int name(const char* path, int flags, ...) {                                 \
    static int (*next)(const char*, int, ...);                                 \
    if (!next) next = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, #name); \
    va_list rest;                                                              \
    va_start(rest, flags);                                                     \
    const mode_t mode = va_arg(rest, mode_t);                                  \
    va_end(rest);                                                              \
    return strike(OPEN, path) ? -1 : next(path, flags, mode);                  \
  }
OPENING(open)
OPENING(open64)
