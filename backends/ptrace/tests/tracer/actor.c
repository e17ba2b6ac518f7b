// What traced programs do in tests: `actor DEED [NUMBER]`. Everything that it prints and how it ends
// must be the same untraced.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
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

#define CHECK(what) \
    do { if (!(what)) { printf("line %d: %s: %s\n", __LINE__, #what, strerror(errno)); exit(99); } } while (0)

static char *self;

static void touch(const char *path) {
    int fd = open(path, O_RDONLY);
    if (fd >= 0) close(fd);
}

static void pause_ms(long ms) {
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    while (nanosleep(&time, &time) && errno == EINTR) {}
}

static int status_of(pid_t pid) {
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static void *open_something(void *arg) {
    touch("/dev/null");
    return arg;
}

// Threads in batches, each of which opens a file.
static int threads(long count) {
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 16384);
    long sum = 0;
    for (long done = 0; done < count;) {
        pthread_t batch[500];
        long n = count - done < 500 ? count - done : 500;
        for (long i = 0; i < n; i++) CHECK(!pthread_create(&batch[i], &attr, open_something, (void *)1));
        for (long i = 0; i < n; i++) {
            void *one;
            CHECK(!pthread_join(batch[i], &one));
            sum += (long)one;
        }
        done += n;
    }
    printf("%ld threads\n", sum);
    return 0;
}

static void *exec_exit(void *arg) {
    (void)arg;
    execl(self, self, "exit", "7", NULL);
    return NULL;
}

static void *spin(void *arg) {
    for (;;) touch("/dev/null");
    return arg;
}

static void *wait_for_ever(void *arg) {
    for (;;) pause();
    return arg;
}

// A thread that is not the first executes a program while others are busy.
static int exec_from_thread(long others) {
    pthread_t thread;
    for (long i = 0; i < others; i++) {
        CHECK(!pthread_create(&thread, NULL, i % 2 ? spin : wait_for_ever, NULL));
    }
    pause_ms(5);
    CHECK(!pthread_create(&thread, NULL, exec_exit, NULL));
    for (;;) pause();
}

// The first thread ends before the others.
static void *end_later(void *arg) {
    pause_ms(20);
    touch("/dev/zero");
    exit((int)(long)arg);
}

static int first_ends(long code) {
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, end_later, (void *)code));
    pthread_exit(NULL);
}

static int vforks(long count) {
    for (long i = 0; i < count; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execl("/bin/true", "true", NULL);
            _exit(1);
        }
        CHECK(pid > 0 && status_of(pid) == 0);
    }
    printf("%ld vforks\n", count);
    return 0;
}

static int tree(long depth) {
    if (depth == 0) return 0;
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            touch("/dev/null");
            _exit(tree(depth - 1));
        }
    }
    int status, failed = 0;
    while (wait(&status) > 0) failed |= status;
    return failed != 0;
}

// A child is stopped and continued; its parent sees every one of it.
static int stops(long count) {
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, spin, NULL);
        for (;;) touch("/dev/null");
    }
    for (long i = 0; i < count; i++) {
        siginfo_t info;
        CHECK(kill(pid, SIGSTOP) == 0);
        CHECK(waitid(P_PID, pid, &info, WSTOPPED) == 0);
        CHECK(info.si_code == CLD_STOPPED && info.si_status == SIGSTOP);
        CHECK(kill(pid, SIGCONT) == 0);
        CHECK(waitid(P_PID, pid, &info, WCONTINUED) == 0);
        CHECK(info.si_code == CLD_CONTINUED);
    }
    kill(pid, SIGKILL);
    int status = status_of(pid);
    printf("%ld stops, then %d\n", count, WTERMSIG(status));
    return 0;
}

// Stops and continues as fast as they come; at the end, everything goes on.
static int storm(long count) {
    int ends[2];
    CHECK(!pipe(ends));
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(ends[1]);
        while (read(ends[0], &byte, 1) != 0) touch("/dev/null");
        _exit(5);
    }
    close(ends[0]);
    for (long i = 0; i < count; i++) {
        kill(pid, i % 3 == 2 ? SIGTSTP : SIGSTOP);
        if (i % 2) CHECK(write(ends[1], "x", 1) == 1);
        kill(pid, SIGCONT);
    }
    close(ends[1]);
    printf("ended with %d\n", WEXITSTATUS(status_of(pid)));
    return 0;
}

static volatile sig_atomic_t caught, value;

static void catch(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    caught++;
    value += info->si_value.sival_int;
}

static void on(int signal, int flags) {
    struct sigaction action = { .sa_sigaction = catch, .sa_flags = SA_SIGINFO | flags };
    CHECK(!sigaction(signal, &action, NULL));
}

// Signals that are queued come with what they carry, in their order, all of them.
static int queued(long count) {
    on(SIGRTMIN + 3, 0);
    for (long i = 0; i < count; i++) {
        union sigval carry = { .sival_int = (int)i };
        CHECK(!sigqueue(getpid(), SIGRTMIN + 3, carry));
        touch("/dev/null");
    }
    printf("%d signals, %d\n", (int)caught, (int)value);
    return 0;
}

// Calls that signals interrupt go on by themselves with SA_RESTART, and fail without.
static int restarts(long count) {
    int ends[2];
    char byte;
    for (long i = 0; i < count; i++) {
        on(SIGUSR1, i % 2 ? SA_RESTART : 0);
        CHECK(!pipe(ends));
        pid_t parent = getpid(), pid = fork();
        if (pid == 0) {
            pause_ms(10);
            kill(parent, SIGUSR1);
            pause_ms(10);
            (void)!write(ends[1], "x", 1);
            _exit(0);
        }
        ssize_t got = read(ends[0], &byte, 1);
        printf("%zd %s\n", got, got < 0 ? strerror(errno) : "");
        status_of(pid);
        close(ends[0]);
        close(ends[1]);
    }
    // Ignored signals interrupt nothing; this one is restarted through restart_syscall(2).
    signal(SIGUSR1, SIG_IGN);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 20; i++) kill(parent, SIGUSR1);
        _exit(0);
    }
    struct timespec time = { 0, 50000000 };
    printf("%d\n", nanosleep(&time, NULL));
    status_of(pid);
    return 0;
}

static long int80(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

// 32-bit calls of a 64-bit program: open is 5, close 6.
static int old_calls(void) {
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(low != MAP_FAILED);
    strcpy(low, "/dev/zero");
    long fd = int80(5, (long)low, O_RDONLY, 0);
    printf("%d %ld\n", fd >= 0 || fd == -ENOSYS, fd >= 0 ? int80(6, fd, 0, 0) : 0);
    return fd == -ENOSYS ? 77 : 0;
}

// A child that asks not to be traced opens a file.
static int untraced(long how) {
    pid_t pid;
    if (how == 3) {
        struct clone_args args = { .flags = CLONE_UNTRACED, .exit_signal = SIGCHLD };
        pid = syscall(SYS_clone3, &args, sizeof args);
    } else {
        pid = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, NULL, NULL, NULL, NULL);
    }
    if (pid == 0) {
        int fd = open("/dev/full", O_RDONLY);
        _exit(fd >= 0 ? 4 : 5);
    }
    CHECK(pid > 0);
    printf("%d\n", WEXITSTATUS(status_of(pid)));
    return 0;
}

static int own_tracer(void) {
    pid_t pid = fork();
    if (pid == 0) _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) ? errno : 0);
    printf("%s\n", strerror(WEXITSTATUS(status_of(pid))));
    return 0;
}

// A filter of its own: openat is refused, getpid is for a tracer, and everything else passes.
static int own_filter(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 2, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 1),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };
    CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    printf("%ld %s\n", syscall(SYS_openat, -100, "/dev/null", 0), strerror(errno));
    printf("%ld %s\n", syscall(SYS_getppid), strerror(errno));
    CHECK(syscall(SYS_open, "/dev/null", O_RDONLY) >= 0);
    return 0;
}

// A grandchild that outlives its parents.
static int orphan(void) {
    int ends[2];
    CHECK(!pipe(ends));
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            pause_ms(30);
            touch("/dev/zero");
            CHECK(write(ends[1], "x", 1) == 1);
            _exit(0);
        }
        _exit(0);
    }
    status_of(pid);
    char byte;
    printf("%zd\n", read(ends[0], &byte, 1));
    return 3;
}

// A daemon that goes on when everything else has ended.
static int leave_behind(void) {
    if (fork() == 0) {
        setsid();
        pause_ms(50);
        touch("/dev/full");
        _exit(0);
    }
    return 3;
}

static int job(void) {
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        signal(SIGTSTP, SIG_DFL);
        raise(SIGTSTP);
        touch("/dev/null");
        _exit(6);
    }
    int status;
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    printf("stopped by %d\n", WSTOPSIG(status));
    CHECK(waitpid(pid, &status, WNOHANG | WUNTRACED) == 0);
    kill(pid, SIGCONT);
    printf("ended with %d\n", WEXITSTATUS(status_of(pid)));
    return 0;
}

static int timers(void) {
    on(SIGALRM, SA_RESTART);
    struct itimerval timer = { { 0, 2000 }, { 0, 2000 } };
    CHECK(!setitimer(ITIMER_REAL, &timer, NULL));
    while (caught < 25) touch("/dev/null");
    printf("%d alarms\n", caught >= 25);
    return 0;
}

static int cpus(long count) {
    cpu_set_t before, now;
    CHECK(!sched_getaffinity(0, sizeof before, &before));
    for (long i = 0; i < count; i++) {
        touch("/dev/null");
        if (i % 64 == 0) {
            CHECK(!sched_getaffinity(0, sizeof now, &now));
            CHECK(CPU_EQUAL(&before, &now));
        }
    }
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(!sched_getaffinity(0, sizeof now, &now));
        _exit(!CPU_EQUAL(&before, &now));
    }
    printf("%d\n", status_of(pid));
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    CHECK(!sched_setaffinity(0, sizeof one, &one));
    for (long i = 0; i < count; i++) touch("/dev/null");
    CHECK(!sched_getaffinity(0, sizeof now, &now));
    CHECK(CPU_EQUAL(&one, &now));
    return 0;
}

// Something of everything, until it is killed.
static int everything(void) {
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            srand(getpid());
            for (;;) {
                switch (rand() % 6) {
                    case 0: threads(5); break;
                    case 1: vforks(1); break;
                    case 2: tree(2); break;
                    case 3: { pid_t pid = fork(); if (pid == 0) exec_from_thread(3); waitpid(pid, NULL, 0); break; }
                    case 4: { pid_t pid = fork(); if (pid == 0) { raise(SIGSTOP); _exit(0); } waitpid(pid, NULL, WUNTRACED); kill(pid, rand() % 2 ? SIGCONT : SIGKILL); waitpid(pid, NULL, 0); break; }
                    default: touch("/dev/null");
                }
            }
        }
    }
    for (;;) pause();
}

int main(int argc, char **argv) {
    self = argv[0];
    const char *deed = argc > 1 ? argv[1] : "";
    long n = argc > 2 ? atol(argv[2]) : 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(deed, "exit")) return (int)n;
    if (!strcmp(deed, "kill")) { signal((int)n, SIG_DFL); kill(getpid(), (int)n); return 0; }
    if (!strcmp(deed, "open")) { for (long i = 0; i < n; i++) touch("/dev/null"); return 0; }
    if (!strcmp(deed, "threads")) return threads(n);
    if (!strcmp(deed, "exec_from_thread")) return exec_from_thread(n);
    if (!strcmp(deed, "first_ends")) return first_ends(n);
    if (!strcmp(deed, "vforks")) return vforks(n);
    if (!strcmp(deed, "tree")) return tree(n);
    if (!strcmp(deed, "stops")) return stops(n);
    if (!strcmp(deed, "storm")) return storm(n);
    if (!strcmp(deed, "queued")) return queued(n);
    if (!strcmp(deed, "restarts")) return restarts(n);
    if (!strcmp(deed, "old_calls")) return old_calls();
    if (!strcmp(deed, "untraced")) return untraced(n);
    if (!strcmp(deed, "own_tracer")) return own_tracer();
    if (!strcmp(deed, "own_filter")) return own_filter();
    if (!strcmp(deed, "orphan")) return orphan();
    if (!strcmp(deed, "leave_behind")) return leave_behind();
    if (!strcmp(deed, "job")) return job();
    if (!strcmp(deed, "timers")) return timers();
    if (!strcmp(deed, "cpus")) return cpus(n);
    if (!strcmp(deed, "everything")) return everything();
    if (!strcmp(deed, "spin")) spin(NULL);
    if (!strcmp(deed, "sleep")) for (;;) pause();
    if (!strcmp(deed, "pool")) { // Threads that come and go for ever.
        for (;;) { threads(20); fflush(stdout); }
    }
    return 98;
}
