/* Preloaded into a program: counts its calls that change files below a folder, and ends it by SIGKILL at one of them.
 *
 *   KILL_FOLDER  the folder
 *   KILL_AT      number of the call, from 1, before which the program dies; 0 or beyond the last: it lives
 *   KILL_HALF    if set, half of a write's bytes reach the file before the program dies
 *   KILL_LOG     file outside of the folder: one line "function path" a call
 *
 * Seen are calls through the dynamic linker: the program's own and libstdc++'s (streams, std::filesystem). What libc
 * does by itself, such as the write of a FILE's buffer, is seen as the call that leads to it: fwrite, fflush, fclose. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(result, name, ...) ((result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

static atomic_long calls;

static void raw_write(int fd, const void* bytes, size_t size) { syscall(SYS_write, fd, bytes, size); }

static void note(const char* function, const char* path) {
  const char* log = getenv("KILL_LOG");
  if (log == NULL) return;
  char line[PATH_MAX + 64];
  const int size = snprintf(line, sizeof line, "%s %s\n", function, path);
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return;
  raw_write(fd, line, (size_t)size);
  syscall(SYS_close, fd);
}

/* Whether this call is the last one. */
static int due(const char* function, const char* path) {
  const char* folder = getenv("KILL_FOLDER");
  if (folder == NULL || path == NULL) return 0;
  const size_t length = strlen(folder);
  if (strncmp(path, folder, length) != 0 || (path[length] != '/' && path[length] != '\0')) return 0;
  note(function, path);
  const char* at = getenv("KILL_AT");
  return atomic_fetch_add(&calls, 1) + 1 == (at == NULL ? 0 : atol(at));
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static void at_path(const char* function, int folder, const char* path) {
  char whole[2 * PATH_MAX], link[64];
  if (path == NULL) return;
  if (path[0] != '/') {
    if (folder == AT_FDCWD)
      strcpy(link, "/proc/self/cwd");
    else
      snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    const ssize_t size = readlink(link, whole, PATH_MAX);
    if (size < 0) return;
    snprintf(whole + size, sizeof whole - (size_t)size, "/%s", path);
    path = whole;
  }
  if (due(function, path)) die();
}

static int fd_due(const char* function, int fd) {
  char path[PATH_MAX], link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = '\0';
  return due(function, path);
}

static void at_fd(const char* function, int fd) {
  if (fd_due(function, fd)) die();
}

/* A write that is the last call: half of it happens if that was asked for. */
static void at_write(const char* function, int fd, const void* bytes, size_t size) {
  if (!fd_due(function, fd)) return;
  if (getenv("KILL_HALF") != NULL) raw_write(fd, bytes, size / 2);
  die();
}

ssize_t write(int fd, const void* bytes, size_t size) {
  at_write("write", fd, bytes, size);
  return REAL(ssize_t, "write", int, const void*, size_t)(fd, bytes, size);
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  at_fd("pwrite", fd);
  return REAL(ssize_t, "pwrite", int, const void*, size_t, off_t)(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  at_fd("pwrite", fd);
  return REAL(ssize_t, "pwrite64", int, const void*, size_t, off64_t)(fd, bytes, size, offset);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  at_write("writev", fd, parts[0].iov_base, parts[0].iov_len);
  return REAL(ssize_t, "writev", int, const struct iovec*, int)(fd, parts, count);
}

size_t fwrite(const void* bytes, size_t size, size_t count, FILE* file) {
  if (fd_due("fwrite", fileno(file))) {
    if (getenv("KILL_HALF") != NULL) raw_write(fileno(file), bytes, size * count / 2);
    die();
  }
  return REAL(size_t, "fwrite", const void*, size_t, size_t, FILE*)(bytes, size, count, file);
}

static int writes(FILE* file) { return (fcntl(fileno(file), F_GETFL) & O_ACCMODE) != O_RDONLY; }

int fflush(FILE* file) {
  if (file != NULL && writes(file)) at_fd("fflush", fileno(file));
  return REAL(int, "fflush", FILE*)(file);
}

int fclose(FILE* file) {
  if (writes(file)) at_fd("fclose", fileno(file));
  return REAL(int, "fclose", FILE*)(file);
}

int fsync(int fd) {
  at_fd("fsync", fd);
  return REAL(int, "fsync", int)(fd);
}

int fdatasync(int fd) {
  at_fd("fdatasync", fd);
  return REAL(int, "fdatasync", int)(fd);
}

int ftruncate(int fd, off_t size) {
  at_fd("ftruncate", fd);
  return REAL(int, "ftruncate", int, off_t)(fd, size);
}

int truncate(const char* path, off_t size) {
  at_path("truncate", AT_FDCWD, path);
  return REAL(int, "truncate", const char*, off_t)(path, size);
}

#define OPEN(name)                                                \
  int name(const char* path, int flags, ...) {                    \
    va_list more;                                                 \
    va_start(more, flags);                                        \
    const mode_t mode = va_arg(more, mode_t);                     \
    va_end(more);                                                 \
    if (flags & (O_CREAT | O_TRUNC)) at_path("open", AT_FDCWD, path); \
    return REAL(int, #name, const char*, int, ...)(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                              \
  int name(int folder, const char* path, int flags, ...) {        \
    va_list more;                                                 \
    va_start(more, flags);                                        \
    const mode_t mode = va_arg(more, mode_t);                     \
    va_end(more);                                                 \
    if (flags & (O_CREAT | O_TRUNC)) at_path("open", folder, path); \
    return REAL(int, #name, int, const char*, int, ...)(folder, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                               \
  FILE* name(const char* path, const char* mode) {                \
    if (mode[0] != 'r') at_path("open", AT_FDCWD, path);          \
    return REAL(FILE*, #name, const char*, const char*)(path, mode); \
  }
FOPEN(fopen)
FOPEN(fopen64)

int rename(const char* from, const char* to) {
  at_path("rename", AT_FDCWD, to);
  return REAL(int, "rename", const char*, const char*)(from, to);
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  at_path("rename", to_folder, to);
  return REAL(int, "renameat", int, const char*, int, const char*)(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  at_path("rename", to_folder, to);
  return REAL(int, "renameat2", int, const char*, int, const char*, unsigned)(from_folder, from, to_folder, to, flags);
}

int link(const char* from, const char* to) {
  at_path("link", AT_FDCWD, to);
  return REAL(int, "link", const char*, const char*)(from, to);
}

#define REMOVAL(name)                                             \
  int name(const char* path) {                                    \
    at_path("remove", AT_FDCWD, path);                            \
    return REAL(int, #name, const char*)(path);                   \
  }
REMOVAL(unlink)
REMOVAL(rmdir)
REMOVAL(remove)

int unlinkat(int folder, const char* path, int flags) {
  at_path("remove", folder, path);
  return REAL(int, "unlinkat", int, const char*, int)(folder, path, flags);
}

int mkdir(const char* path, mode_t mode) {
  at_path("mkdir", AT_FDCWD, path);
  return REAL(int, "mkdir", const char*, mode_t)(path, mode);
}

int mkdirat(int folder, const char* path, mode_t mode) {
  at_path("mkdir", folder, path);
  return REAL(int, "mkdirat", int, const char*, mode_t)(folder, path, mode);
}
