/* What all words of torture.c use. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "torture: %s: %s\n", what, strerror(errno));
    exit(99);
}

static long must(long result, const char *what)
{
    if (result < 0)
        fail(what);
    return result;
}

static void look(void)
{
    int f = must(open("/proc/self/comm", O_RDONLY | O_CLOEXEC), "open");
    close(f);
}

/* A child that would never end by itself dies with its parent. It is given back when that is certain:
 * whoever is stopped before stays so for ever if nobody is left to continue it. */
static pid_t mortal_child(void)
{
    int ends[2];
    char byte;
    must(pipe(ends), "pipe");
    pid_t parent = getpid(), c = must(fork(), "fork");
    if (c == 0) {
        must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
        if (getppid() != parent)
            _exit(1);
        must(write(ends[1], "x", 1), "write");
    }
    close(ends[1]);
    if (c != 0)
        must(read(ends[0], &byte, 1), "read");
    close(ends[0]);
    return c;
}

static void nap(long microseconds)
{
    struct timespec t = {microseconds / 1000000, microseconds % 1000000 * 1000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}
