/* Words about threads: part of torture.c. */

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
