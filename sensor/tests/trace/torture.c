/* Programs that are hard on a tracer. Each word does something of which the outcome is certain, and
 * prints it; so what is printed, and how it ends, must be the same watched and unwatched.
 *
 *     torture WORD [NUMBER]
 *
 * All of it is bounded and ends by itself: an alarm ends what hangs. */
#define _GNU_SOURCE
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

/* --- threads ---------------------------------------------------------------------------------- */

static atomic_long counted;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long guarded;

static void *count_up(void *unused)
{
    look();
    atomic_fetch_add(&counted, 1);
    pthread_mutex_lock(&lock);
    guarded++;
    pthread_mutex_unlock(&lock);
    return unused;
}

/* threads N : so many, a few hundred of them at the same time */
static int threads(long n)
{
    pthread_t some[256];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (long done = 0; done < n;) {
        long batch = n - done < 256 ? n - done : 256;
        for (long i = 0; i < batch; i++)
            if ((errno = pthread_create(&some[i], &small, count_up, NULL)))
                fail("pthread_create");
        for (long i = 0; i < batch; i++)
            pthread_join(some[i], NULL);
        done += batch;
    }
    printf("%ld threads, %ld, %ld\n", n, (long)counted, guarded);
    return 0;
}

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void *execute(void *unused)
{
    look();
    execl("/bin/echo", "echo", "executed by a thread", (char *)NULL);
    fail("execl");
    return unused;
}

/* exec-by-thread : a thread takes the place of the process while others live */
static int exec_by_thread(long n)
{
    pthread_t t;
    for (long i = 0; i < n; i++)
        if (pthread_create(&t, NULL, wait_for_ever, NULL))
            fail("pthread_create");
    fflush(stdout);
    if (pthread_create(&t, NULL, execute, NULL))
        fail("pthread_create");
    for (;;)
        pause();
}

static void *outlive(void *unused)
{
    nap(50000);
    look();
    puts("the leader is gone");
    fflush(stdout);
    _exit(7);
    return unused;
}

/* leader-first : the first thread ends before the others */
static int leader_first(long n)
{
    pthread_t t;
    (void)n;
    if (pthread_create(&t, NULL, outlive, NULL))
        fail("pthread_create");
    pthread_exit(NULL);
}

static void *end_all(void *unused)
{
    (void)unused;
    exit(11);
}

/* exit-race N : children all of whose threads call exit at the same time */
static int exit_race(long n)
{
    long right = 0;
    for (long i = 0; i < n; i++) {
        pid_t c = must(fork(), "fork");
        if (c == 0) {
            pthread_t t;
            for (int k = 0; k < 8; k++)
                pthread_create(&t, NULL, k & 1 ? end_all : wait_for_ever, NULL);
            _exit(11);
        }
        int status;
        must(waitpid(c, &status, 0), "waitpid");
        right += WIFEXITED(status) && WEXITSTATUS(status) == 11;
    }
    printf("%ld of %ld ended with 11\n", right, n);
    return 0;
}

/* --- processes -------------------------------------------------------------------------------- */

static long grow(long depth)
{
    look();
    if (depth == 0)
        return 1;
    int ends[2];
    must(pipe(ends), "pipe");
    for (int i = 0; i < 2; i++) {
        pid_t c = must(fork(), "fork");
        if (c == 0) {
            close(ends[0]);
            long below = grow(depth - 1);
            must(write(ends[1], &below, sizeof below), "write");
            _exit(0);
        }
    }
    close(ends[1]);
    long sum = 1, below;
    while (read(ends[0], &below, sizeof below) == sizeof below)
        sum += below;
    close(ends[0]);
    for (int i = 0; i < 2; i++)
        must(wait(NULL), "wait");
    return sum;
}

/* forks DEPTH : a tree of 2^(DEPTH+1)-1 processes */
static int forks(long depth)
{
    printf("%ld processes\n", grow(depth));
    return 0;
}

/* bomb N : N processes that all want a child, which ends at once; nobody waits for them in order */
static int bomb(long n)
{
    for (long i = 0; i < n; i++) {
        if (must(fork(), "fork") == 0) {
            pid_t c = fork();
            if (c == 0)
                _exit(3);
            int status = 0;
            if (c > 0)
                waitpid(c, &status, 0);
            _exit(c > 0 && WEXITSTATUS(status) == 3 ? 0 : 1);
        }
    }
    long well = 0;
    int status;
    while (wait(&status) > 0)
        well += status == 0;
    printf("%ld of %ld\n", well, n);
    return 0;
}

/* vforks N : vfork, execve and failing execve by turns */
static int vforks(long n)
{
    /* Not in registers, which the child of vfork shares. */
    volatile long yes = 0, no = 0;
    char *argv[] = {"true", NULL};
    for (volatile long i = 0; i < n; i++) {
        pid_t c = vfork();
        if (c == 0) {
            execve(i & 1 ? "/bin/true" : "/nonexistent/true", argv, environ);
            _exit(errno == ENOENT ? 44 : 45);
        }
        must(c, "vfork");
        int status;
        must(waitpid(c, &status, 0), "waitpid");
        yes += WIFEXITED(status) && WEXITSTATUS(status) == 0;
        no += WIFEXITED(status) && WEXITSTATUS(status) == 44;
    }
    for (long i = 0; i < n; i++) {
        pid_t c;
        errno = posix_spawn(&c, "/bin/false", NULL, NULL, argv, environ);
        if (errno)
            fail("posix_spawn");
        int status;
        must(waitpid(c, &status, 0), "waitpid");
        yes += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    }
    printf("%ld ran, %ld did not\n", yes, no);
    return 0;
}

/* orphans N : grandchildren whose parents end first, each found by whoever adopts them */
static int orphans(long n)
{
    must(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
    for (long i = 0; i < n; i++)
        if (must(fork(), "fork") == 0) {
            if (must(fork(), "fork") == 0) {
                nap(1000);
                look();
                _exit(5);
            }
            _exit(4);
        }
    long children = 0, grandchildren = 0;
    int status;
    while (wait(&status) > 0) {
        children += WIFEXITED(status) && WEXITSTATUS(status) == 4;
        grandchildren += WIFEXITED(status) && WEXITSTATUS(status) == 5;
    }
    printf("%ld children, %ld grandchildren\n", children, grandchildren);
    return 0;
}

/* namespaces : a child made by clone with a user namespace of its own, and one in a further PID
 * namespace, who is process 1 there */
static int namespaces(long n)
{
    (void)n;
    pid_t c = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (c == 0) {
        look();
        _exit(syscall(SYS_getpid) == 1 ? 21 : 22);
    }
    int status;
    must(c, "clone");
    must(waitpid(c, &status, 0), "waitpid");
    printf("ended with %d\n", WEXITSTATUS(status));
    return 0;
}

/* untraced : asks that the child is not traced (CLONE_UNTRACED), which holds nothing up */
static int untraced(long n)
{
    long right = 0;
    for (long i = 0; i < n; i++) {
        pid_t c = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
        if (c == 0) {
            look();
            _exit(9);
        }
        int status;
        must(c, "clone");
        must(waitpid(c, &status, 0), "waitpid");
        right += WIFEXITED(status) && WEXITSTATUS(status) == 9;
    }
    printf("%ld of %ld\n", right, n);
    return 0;
}

/* --- signals ---------------------------------------------------------------------------------- */

static atomic_long usr1, rt, values;

static void on_usr1(int s)
{
    (void)s;
    atomic_fetch_add(&usr1, 1);
}

static void on_rt(int s, siginfo_t *info, void *context)
{
    (void)s, (void)context;
    atomic_fetch_add(&rt, 1);
    atomic_fetch_add(&values, info->si_value.sival_int);
}

/* signals N : none is lost that must not be, and what they carry arrives */
static int signals(long n)
{
    struct sigaction a = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
    struct sigaction b = {.sa_sigaction = on_rt, .sa_flags = SA_RESTART | SA_SIGINFO};
    sigaction(SIGUSR1, &a, NULL);
    sigaction(SIGRTMIN, &b, NULL);
    pid_t parent = getpid();
    pid_t c = must(fork(), "fork");
    if (c == 0) {
        for (long i = 0; i < n; i++) {
            union sigval v = {.sival_int = 3};
            while (sigqueue(parent, SIGRTMIN, v) < 0 && errno == EAGAIN)
                nap(100);
            look();
        }
        _exit(0);
    }
    int status;
    must(waitpid(c, &status, 0), "waitpid");
    for (long i = 0; i < n; i++)
        raise(SIGUSR1);
    while (rt < n)
        nap(100);
    printf("%ld and %ld of %ld, with %ld\n", (long)usr1, (long)rt, n, (long)values);
    return 0;
}

/* interrupted : what a signal interrupts, with a handler and with SA_RESTART */
static int interrupted(long n)
{
    (void)n;
    int ends[2];
    char byte;
    must(pipe(ends), "pipe");
    pid_t parent = getpid();
    for (int restart = 0; restart < 2; restart++) {
        struct sigaction a = {.sa_handler = on_usr1, .sa_flags = restart ? SA_RESTART : 0};
        sigaction(SIGUSR1, &a, NULL);
        pid_t c = must(fork(), "fork");
        if (c == 0) {
            for (int i = 0; i < 4; i++) {
                nap(30000);
                kill(parent, SIGUSR1);
            }
            nap(30000);
            must(write(ends[1], "x", 1), "write");
            _exit(0);
        }
        long got = read(ends[0], &byte, 1);
        printf("read: %ld %s\n", got, got < 0 ? strerror(errno) : "");
        if (got < 0)
            while (read(ends[0], &byte, 1) < 0)
                ;
        while (wait(NULL) < 0)
            ;
    }
    struct itimerval soon = {.it_value = {0, 20000}};
    signal(SIGALRM, on_usr1);
    setitimer(ITIMER_REAL, &soon, NULL);
    struct pollfd nothing = {.fd = ends[0], .events = POLLIN};
    long got = poll(&nothing, 1, 5000);
    printf("poll: %ld %s\n", got, got < 0 ? strerror(errno) : "");
    setitimer(ITIMER_REAL, &soon, NULL);
    struct timespec second = {1, 0}, left = {0, 0};
    got = nanosleep(&second, &left);
    printf("nanosleep: %ld %s, %s left\n", got, got < 0 ? strerror(errno) : "",
           left.tv_nsec > 100000000 ? "much" : "little");
    return 0;
}

/* stops N : a child that is stopped and continued, seen by its parent each time */
static int stops(long n)
{
    pid_t c = mortal_child();
    if (c == 0) {
        for (;;) {
            look();
            sched_yield();
        }
    }
    long stopped = 0, continued = 0;
    for (long i = 0; i < n; i++) {
        int status;
        must(kill(c, SIGSTOP), "kill");
        must(waitpid(c, &status, WUNTRACED), "waitpid");
        stopped += WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
        must(kill(c, SIGCONT), "kill");
        must(waitpid(c, &status, WCONTINUED), "waitpid");
        continued += WIFCONTINUED(status);
    }
    kill(c, SIGKILL);
    int status;
    must(waitpid(c, &status, 0), "waitpid");
    printf("%ld stops, %ld continued, signal %d\n", stopped, continued, WTERMSIG(status));
    return 0;
}

/* stopped-storm N : a process with threads under a storm of stops that nobody waits for */
static int stopped_storm(long n)
{
    pid_t c = mortal_child();
    if (c == 0) {
        pthread_t t;
        for (int i = 0; i < 16; i++)
            pthread_create(&t, NULL, wait_for_ever, NULL);
        for (;;)
            look();
    }
    for (long i = 0; i < n; i++) {
        kill(c, i % 3 == 0 ? SIGTSTP : SIGSTOP);
        kill(c, SIGCONT);
    }
    kill(c, SIGTERM);
    kill(c, SIGCONT);
    int status;
    must(waitpid(c, &status, 0), "waitpid");
    printf("signal %d\n", WTERMSIG(status));
    return 0;
}

/* kills N : children that are killed at some moment or other */
static int kills(long n)
{
    long right = 0;
    for (long i = 0; i < n; i++) {
        pid_t c = mortal_child();
        if (c == 0) {
            for (;;) {
                look();
                if (vfork() == 0) {
                    execl("/bin/true", "true", (char *)NULL);
                    _exit(1);
                }
            }
        }
        nap(i * 37 % 3000);
        kill(c, SIGKILL);
        int status;
        must(waitpid(c, &status, 0), "waitpid");
        right += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }
    printf("%ld of %ld killed\n", right, n);
    return 0;
}

static atomic_long trapped;

static void on_sys(int s, siginfo_t *info, void *context)
{
    (void)s, (void)context;
    trapped += info->si_syscall == SYS_getppid;
}

/* own-filter : a seccomp filter of the program's own, which refuses, traps and lets pass */
static int own_filter(long n)
{
    (void)n;
    struct sigaction a = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &a, NULL);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_creat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "PR_SET_SECCOMP");
    long result = syscall(SYS_openat2, AT_FDCWD, "/etc/hostname", NULL, 0);
    printf("openat2: %ld %s\n", result, strerror(errno));
    syscall(SYS_getppid);
    printf("trapped: %ld\n", (long)trapped);
    look();
    pid_t c = must(fork(), "fork");
    if (c == 0) {
        syscall(SYS_creat, "/tmp/never", 0600);
        _exit(1);
    }
    int status;
    must(waitpid(c, &status, 0), "waitpid");
    printf("creat: signal %d\n", WTERMSIG(status));
    return 0;
}

/* compat : calls through the door for 32-bit programs */
static int compat(long n)
{
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED)
        fail("mmap");
    long opened = 0, missed = 0;
    for (long i = 0; i < n; i++) {
        strcpy(low, i & 1 ? "/proc/self/comm" : "/nonexistent/file");
        long f;
        __asm__ volatile("int $0x80" : "=a"(f) : "a"(5), "b"(low), "c"(O_RDONLY), "d"(0) : "memory");
        opened += f >= 0;
        missed += f == -ENOENT;
        if (f >= 0)
            close((int)f);
    }
    printf("%ld opened, %ld missing\n", opened, missed);
    return 0;
}

/* self-traced : what a debugger does to its child is refused under a tracer, and nothing breaks */
static int self_traced(long n)
{
    (void)n;
    pid_t c = must(fork(), "fork");
    if (c == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 ? 1 : 0);
    int status;
    must(waitpid(c, &status, 0), "waitpid");
    printf("PTRACE_TRACEME: %s\n", WEXITSTATUS(status) ? "refused" : "allowed");
    return 0;
}

/* end N : by signal N, or with exit code N-1000 */
static int end(long n)
{
    if (n >= 1000)
        exit((int)n - 1000);
    signal((int)n, SIG_DFL);
    raise((int)n);
    fail("still here");
}

/* state : what a program has been given, which a tracer must not change */
static int state(long n)
{
    (void)n;
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int s = 1; s < 65; s++) {
        struct sigaction a;
        if (sigismember(&blocked, s) == 1)
            printf("signal %d is blocked\n", s);
        if (sigaction(s, NULL, &a) == 0 && a.sa_handler != SIG_DFL)
            printf("signal %d is not as usual\n", s);
    }
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf("fd %d is open\n", fd);
    cpu_set_t cpus;
    must(sched_getaffinity(0, sizeof cpus, &cpus), "sched_getaffinity");
    printf("%d processors, nice %d\n", CPU_COUNT(&cpus), nice(0));
    int death = 0;
    must(prctl(PR_GET_PDEATHSIG, &death), "PR_GET_PDEATHSIG");
    printf("dumpable %d, the parent's death sends %d\n", prctl(PR_GET_DUMPABLE), death);
    return 0;
}

static const struct {
    const char *word;
    int (*run)(long);
} words[] = {
    {"threads", threads}, {"exec-by-thread", exec_by_thread}, {"leader-first", leader_first},
    {"exit-race", exit_race}, {"forks", forks}, {"bomb", bomb}, {"vforks", vforks},
    {"orphans", orphans}, {"namespaces", namespaces}, {"untraced", untraced},
    {"signals", signals}, {"interrupted", interrupted}, {"stops", stops},
    {"stopped-storm", stopped_storm}, {"kills", kills}, {"own-filter", own_filter},
    {"compat", compat}, {"self-traced", self_traced}, {"end", end}, {"state", state},
};

int main(int argc, char **argv)
{
    alarm(100);
    for (size_t i = 0; argc > 1 && i < sizeof words / sizeof *words; i++)
        if (strcmp(argv[1], words[i].word) == 0)
            return words[i].run(argc > 2 ? atol(argv[2]) : 0);
    fprintf(stderr, "torture: which?\n");
    return 98;
}
