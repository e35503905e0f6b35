/* Moves the wall clock of chosen processes, for tests: LD_PRELOAD this, and DRILL_CLOCKS names a folder.
 *
 * A process whose command line holds `services.<role>` takes the offset in nanoseconds from the first eight bytes of
 * <folder>/<role>, anew at each reading, so that a test can move the clock of a process that runs. Monotonic clocks stay.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;

__attribute__((constructor)) static void find_offset(void) {
  const char *folder = getenv("DRILL_CLOCKS");
  char line[4096], path[4096];
  int file = open("/proc/self/cmdline", O_RDONLY);
  if (!folder || file < 0) return;
  ssize_t length = read(file, line, sizeof line - 1);
  close(file);
  if (length <= 0) return;
  line[length] = 0;
  for (char *word = line; word < line + length; word += strlen(word) + 1) {
    if (strncmp(word, "services.", 9) != 0) continue;
    snprintf(path, sizeof path, "%s/%s", folder, word + 9);
    file = open(path, O_RDONLY);
    if (file < 0) return;
    void *at = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (at != MAP_FAILED) offset = at;
    return;
  }
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, now);
  if (result == 0 && clock == CLOCK_REALTIME && offset) {
    int64_t ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + *offset;
    now->tv_sec = ns / 1000000000;
    now->tv_nsec = ns % 1000000000;
  }
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec at;
  int result = clock_gettime(CLOCK_REALTIME, &at);
  now->tv_sec = at.tv_sec;
  now->tv_usec = at.tv_nsec / 1000;
  return result;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
