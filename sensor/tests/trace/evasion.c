/* Programs that want to do something unseen, or harm who watches them. Each opens the file that it is
   given when it believes to be unseen; what it says on the way is what a program sees. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *target;

static void look(void)
{
    int f = open(target, O_RDONLY);
    printf("open: %s\n", f < 0 ? strerror(errno) : "done");
    fflush(stdout);
}

static void said(const char *what, long result)
{
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

/* A number of /proc/PID/status; 0 if there is none. */
static int in_status(int pid, const char *format)
{
    char line[256];
    int number = 0;
    snprintf(line, sizeof line, "/proc/%d/status", pid);
    FILE *status = fopen(line, "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, format, &number) == 1)
            break;
    if (status)
        fclose(status);
    return number;
}

static int listener;

static void *let_go_on(void *arg)
{
    for (;;) {
        struct seccomp_notif call;
        memset(&call, 0, sizeof call);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
            return arg;
        struct seccomp_notif_resp answer = {.id = call.id,
                                            .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}

/* Has its own filter ask its own listener, who says that calls may go on. */
static void notify(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                            SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    pthread_t thread;
    if (listener >= 0)
        pthread_create(&thread, NULL, let_go_on, NULL);
    look();
}

static void undumpable(void)
{
    said("PR_SET_DUMPABLE", prctl(PR_SET_DUMPABLE, 0));
    printf("dumpable: %d\n", prctl(PR_GET_DUMPABLE));
    fflush(stdout);
    if (fork() == 0) {
        printf("dumpable: %d\n", prctl(PR_GET_DUMPABLE));
        look();
        _exit(0);
    }
    wait(NULL);
    prctl(PR_SET_DUMPABLE, 1);
    printf("dumpable: %d\n", prctl(PR_GET_DUMPABLE));
}

static void unreadable(void)
{
    printf("dumpable: %d\n", prctl(PR_GET_DUMPABLE));
    look();
}

/* Attaches to the one that watches, reads its memory, its fds, and takes its limits away. */
static void at_tracer(void)
{
    char path[64];
    int tracer = in_status(getpid(), "TracerPid: %d"), process = in_status(tracer, "Tgid: %d");
    said("PTRACE_SEIZE", ptrace(PTRACE_SEIZE, process, 0, 0));
    snprintf(path, sizeof path, "/proc/%d/mem", process);
    said("memory", open(path, O_RDWR));
    snprintf(path, sizeof path, "/proc/%d/fd", process);
    said("fds", opendir(path) ? 0 : -1);
    struct rlimit none = {0, 0};
    said("prlimit of the process", prlimit(process, RLIMIT_NOFILE, &none, NULL));
    said("prlimit of the thread", prlimit(tracer, RLIMIT_NOFILE, &none, NULL));
    said("prlimit of itself", prlimit(getpid(), RLIMIT_CORE, &none, NULL));
    look();
}

/* What it shares with others does not block any more, and is full. */
static void nonblock(void)
{
    static char text[4096];
    fcntl(2, F_SETFL, fcntl(2, F_GETFL) | O_NONBLOCK);
    memset(text, '\n', sizeof text);
    while (write(2, text, sizeof text) > 0)
        ;
    while (write(2, text, 1) > 0)
        ;
    look();
}

static struct clone_args how;
static volatile int is_racing;

static void *set_untraced(void *arg)
{
    for (;;)
        if (is_racing)
            *(volatile __u64 *)&how.flags = CLONE_UNTRACED;
    return arg;
}

/* Another thread sets CLONE_UNTRACED while clone3 is being made. */
static void race(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, set_untraced, NULL);
    int untraced = 0;
    for (int i = 0; i < 200; i++) {
        how.flags = 0;
        how.exit_signal = SIGCHLD;
        is_racing = 1;
        for (volatile int n = 0; n < i * 7 % 400; n++)
            ;
        long child = syscall(SYS_clone3, &how, sizeof how);
        is_racing = 0;
        if (child == 0) {
            /* Whoever notices it needs some time. */
            for (int n = 0; n < 5000 && in_status(getpid(), "TracerPid: %d") == 0; n++)
                usleep(1000);
            _exit(in_status(getpid(), "TracerPid: %d") == 0);
        }
        int status;
        waitpid((pid_t)child, &status, 0);
        untraced += status != 0;
    }
    printf("untraced: %d\n", untraced);
    look();
}

static const struct {
    const char *word;
    void (*run)(void);
} words[] = {
    {"notify", notify},       {"undumpable", undumpable}, {"unreadable", unreadable},
    {"at-tracer", at_tracer}, {"nonblock", nonblock},     {"race", race},
    {"look", look},
};

int main(int argc, char **argv)
{
    alarm(60);
    target = argc > 2 ? argv[2] : "/etc/shadow";
    for (size_t i = 0; argc > 1 && i < sizeof words / sizeof *words; i++)
        if (strcmp(argv[1], words[i].word) == 0)
            return words[i].run(), 0;
    fprintf(stderr, "evasion: which?\n");
    return 98;
}
