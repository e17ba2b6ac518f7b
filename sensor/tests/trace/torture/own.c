/* Words about what a program is given, and does itself to calls: part of torture.c. */

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
