/* Words about processes: part of torture.c. */

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
