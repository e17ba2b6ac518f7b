/* Words about executions and deaths at bad moments: part of torture.c. */

/* How a child ended, as a shell has it. */
static void told(pid_t child)
{
    int status;
    must(waitpid(child, &status, 0), "waitpid");
    printf("%d\n", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    fflush(stdout);
}

/* no-return N : executions that fail when there is no way back any more, and kill the process */
static int no_return(long n)
{
    Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
                         .e_phoff = sizeof header, .e_ehsize = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1, .e_entry = 0x400000};
    /* Where no program can be. */
    Elf64_Phdr segment = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x7ffffffff000,
                          .p_filesz = 0x1000, .p_memsz = 0x1000, .p_align = 0x1000};
    int file = must(memfd_create("program", MFD_CLOEXEC), "memfd_create");
    must(write(file, &header, sizeof header), "write");
    must(write(file, &segment, sizeof segment), "write");
    must(ftruncate(file, 8192), "ftruncate");
    for (long i = 0; i < n; i++) {
        pid_t c = must(fork(), "fork");
        if (c == 0) {
            char *args[] = {"program", NULL};
            syscall(SYS_execveat, file, "", args, environ, AT_EMPTY_PATH);
            _exit(98);
        }
        told(c);
    }
    return 0;
}

/* orphaned-vforks N : children of vfork that kill who waits for them, and execute */
static int orphaned_vforks(long n)
{
    must(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
    for (long i = 0; i < n; i++) {
        pid_t c = must(fork(), "fork");
        if (c == 0) {
            if (vfork() == 0) {
                kill(getppid(), SIGKILL);
                nap(500);
                execl("/bin/true", "true", (char *)NULL);
                _exit(1);
            }
            _exit(98);
        }
        told(c);
        /* The other one is ours now. */
        told(-1);
    }
    return 0;
}

static void *kill_all(void *unused)
{
    nap(200);
    kill(getpid(), SIGKILL);
    return unused;
}

static void *become_true(void *unused)
{
    execl("/bin/true", "true", (char *)NULL);
    return unused;
}

/* killed-in-exec N : processes that are killed while several of their threads execute */
static int killed_in_exec(long n)
{
    long odd = 0;
    for (long i = 0; i < n; i++) {
        pid_t c = must(fork(), "fork");
        if (c == 0) {
            pthread_t t;
            for (int k = 0; k < 5; k++)
                pthread_create(&t, NULL, k % 2 ? become_true : kill_all, NULL);
            pause();
        }
        int status;
        must(waitpid(c, &status, 0), "waitpid");
        odd += !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) && status != 0;
    }
    printf("%ld of %ld ended in another way\n", odd, n);
    return 0;
}

/* execs N : one process becomes itself again N times */
static int execs(long n)
{
    char left[24];
    if (n == 0)
        return puts("done") < 0;
    snprintf(left, sizeof left, "%ld", n - 1);
    execl("/proc/self/exe", "torture", "execs", left, (char *)NULL);
    fail("execl");
}

/* strings : arguments as long as they may be, and ones that are not there */
static int strings(long n)
{
    (void)n;
    enum { LONGEST = 131071 };
    char *longest = malloc(LONGEST + 1);
    char *args[13] = {"true"};
    memset(longest, 'a', LONGEST);
    longest[LONGEST] = 0;
    for (int i = 1; i < 12; i++)
        args[i] = longest;
    char **nowhere = (char **)8;
    struct {
        const char *path;
        char **args, **environ;
    } cases[] = {{"/bin/true", args, args}, {"/bin/true", nowhere, NULL},
                 {"/bin/true", args, nowhere}, {(char *)8, args, args}, {longest, args, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pid_t c = must(fork(), "fork");
        if (c == 0) {
            syscall(SYS_execve, cases[i].path, cases[i].args, cases[i].environ);
            _exit(errno);
        }
        told(c);
    }
    return 0;
}

/* parents-deaths N : a signal that the death of the parent sends */
static int parents_deaths(long n)
{
    must(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
    for (long i = 0; i < n; i++) {
        int ends[2];
        char byte;
        must(pipe(ends), "pipe");
        pid_t c = must(fork(), "fork");
        if (c == 0) {
            if (must(fork(), "fork") == 0) {
                must(prctl(PR_SET_PDEATHSIG, SIGTERM), "PR_SET_PDEATHSIG");
                must(write(ends[1], "x", 1), "write");
                pause();
                _exit(98);
            }
            must(read(ends[0], &byte, 1), "read");
            _exit(0);
        }
        told(c);
        told(-1);
        close(ends[0]);
        close(ends[1]);
    }
    return 0;
}
