/* Words about signals: part of torture.c. */

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
