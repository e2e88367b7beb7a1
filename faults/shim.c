/* Faults of the operating system, for processes that preload this: the clock that can be set jumps,
   reads of map outputs fail or take long, and a process ends while it writes one. What happens is
   said by files in $FAULTS_SHIM: `clock` has seconds, `slow` milliseconds; each `read` is the
   failure of one read, each `exit` the end of one process, with its exit code (or -9: killed).
   Those that happen once are taken by removing their file: whoever succeeds has the fault. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int path_of(const char *name, char *path, size_t size) {
    const char *directory = getenv("FAULTS_SHIM");
    return directory && snprintf(path, size, "%s/%s", directory, name) < (int)size;
}

/* The number in a file; 0 if there is none. Not through the functions below. */
static long number(const char *name) {
    char path[4096], text[32] = {0};
    if (!path_of(name, path, sizeof path)) return 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    long got = REAL(read)(file, text, sizeof text - 1);
    close(file);
    return got > 0 ? strtol(text, NULL, 10) : 0;
}

static int take(const char *name) {
    char path[4096];
    return path_of(name, path, sizeof path) && unlink(path) == 0;
}

static int is_output(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strstr(path, "/shuffle") && !strstr(path, "volume.");
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static __typeof__(&clock_gettime) real;
    if (!real) real = REAL(clock_gettime);
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME && result == 0) now->tv_sec += number("clock");
    return result;
}

static int fails_to_read(int file) {
    if (!is_output(file)) return 0;
    long slow = number("slow");
    if (slow > 0) usleep(slow * 1000);
    if (!take("read")) return 0;
    errno = EIO;
    return 1;
}

ssize_t pread64(int file, void *bytes, size_t count, off64_t at) {
    return fails_to_read(file) ? -1 : REAL(pread64)(file, bytes, count, at);
}

ssize_t pread(int file, void *bytes, size_t count, off_t at) {
    return fails_to_read(file) ? -1 : REAL(pread)(file, bytes, count, at);
}

ssize_t read(int file, void *bytes, size_t count) {
    return fails_to_read(file) ? -1 : REAL(read)(file, bytes, count);
}

/* The bytes are written, and the name that counts is not there yet. */
int fsync(int file) {
    long code = is_output(file) ? number("exit") : 0;
    if (code && take("exit")) {
        if (code < 0) kill(getpid(), -code);
        _exit(code == 256 ? 0 : (int)code);
    }
    return REAL(fsync)(file);
}
