/* The actor of the live attacks: one static program that does what an intruder's tools do, as words
 * on its command line. A copy of it under another name (nginx, ssh, nc ...) is that program for every
 * rule that goes by names.
 *
 *     actor WORD ARGUMENT...          nginx spawn /bin/sh -c id
 *
 * Some words change how the words after them are done: `late 6 read /etc/shadow`. An attack that could
 * not be carried out says why and ends with a code other than 0, so that no test waits for the alert
 * of a thing that never happened. A copy that is given a word of the program it poses as (nc -e, rm -rf)
 * does nothing at all. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/openat2.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "actor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long must(long result, const char *what)
{
    if (result < 0)
        fail(what);
    return result;
}

/* Waits for a child and gives its exit code; one that was killed is a failure. */
static int outcome(pid_t child)
{
    int status;
    must(waitpid(child, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* A child that only waits, to be attacked; it dies with its parent. */
static pid_t victim(void)
{
    pid_t child = must(fork(), "fork");
    if (child == 0) {
        alarm(30);
        for (;;)
            pause();
    }
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static struct sockaddr_in address(const char *ip, const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
        fail(ip);
    return a;
}

static int listener(const char *ip, const char *port)
{
    struct sockaddr_in a = address(ip, port);
    int one = 1, s = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    must(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "SO_REUSEADDR");
    must(bind(s, (struct sockaddr *)&a, sizeof a), "bind");
    must(listen(s, 8), "listen");
    return s;
}

static int connected(const char *ip, const char *port)
{
    struct sockaddr_in a = address(ip, port);
    int s = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(connect(s, (struct sockaddr *)&a, sizeof a), "connect");
    return s;
}

static int perform(int count, char **words);

/* --- words that change those after them ------------------------------------------------------- */

/* late SECONDS WORD... : when the process is no longer young */
static int late(int count, char **w)
{
    sleep((unsigned)atoi(w[1]));
    return perform(count - 2, w + 2);
}

/* times COUNT WORD... : again and again */
static int times(int count, char **w)
{
    int failed = 0;
    for (int i = atoi(w[1]); i > 0; i--)
        failed |= perform(count - 2, w + 2);
    return failed;
}

/* as UID WORD... : as an ordinary user */
static int as(int count, char **w)
{
    unsigned id = (unsigned)atoi(w[1]);
    must(setgid(id), "setgid");
    must(setuid(id), "setuid");
    return perform(count - 2, w + 2);
}

/* session UID WORD... : as if that user had logged in */
static int session(int count, char **w)
{
    int f = must(open("/proc/self/loginuid", O_WRONLY), "loginuid");
    must(write(f, w[1], strlen(w[1])), "loginuid");
    close(f);
    return perform(count - 2, w + 2);
}

/* child WORD... : in a child of its own */
static int child(int count, char **w)
{
    pid_t c = must(fork(), "fork");
    if (c == 0)
        _exit(perform(count - 1, w + 1));
    return outcome(c);
}

/* terminal WORD... : in a session of its own at a pseudo-terminal */
static int terminal(int count, char **w)
{
    int master = must(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt");
    must(grantpt(master), "grantpt");
    must(unlockpt(master), "unlockpt");
    pid_t c = must(fork(), "fork");
    if (c == 0) {
        must(setsid(), "setsid");
        int slave = must(open(ptsname(master), O_RDWR), "open the terminal");
        must(ioctl(slave, TIOCSCTTY, 0), "TIOCSCTTY");
        for (int fd = 0; fd < 3; fd++)
            dup2(slave, fd);
        if (slave > 2)
            close(slave);
        _exit(perform(count - 1, w + 1));
    }
    /* Nobody is typing: a shell that asks is told so. */
    must(write(master, "\004", 1), "write to the terminal");
    char text[512];
    while (read(master, text, sizeof text) > 0)
        ;
    return outcome(c);
}

/* --- programs --------------------------------------------------------------------------------- */

/* become PROGRAM ARGUMENT... : in this very process */
static int become(int count, char **w)
{
    execv(w[1], w + 1);
    fail(w[1]);
}

/* spawn PROGRAM ARGUMENT... */
static int spawn(int count, char **w)
{
    pid_t c = must(fork(), "fork");
    if (c == 0)
        become(count, w);
    return outcome(c);
}

/* spawn-lightly PROGRAM ARGUMENT... : in a child that shares this memory until it has begun */
static int spawn_lightly(int count, char **w)
{
    pid_t c;
    errno = posix_spawn(&c, w[1], NULL, NULL, w + 1, environ);
    if (errno)
        fail(w[1]);
    return outcome(c);
}

static void *become_it(void *w)
{
    become(0, w);
    return NULL;
}

/* by-thread PROGRAM ARGUMENT... : a thread executes it, and so takes the place of the whole process */
static int by_thread(int count, char **w)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, become_it, w))
        fail("pthread_create");
    for (;;)
        pause();
}

/* pose TITLE PROGRAM ARGUMENT... : the program with another argv[0] */
static int pose(int count, char **w)
{
    char *program = w[2];
    pid_t c = must(fork(), "fork");
    if (c == 0) {
        w[2] = w[1];
        execv(program, w + 2);
        fail(program);
    }
    return outcome(c);
}

/* from-memory PROGRAM ARGUMENT... : a copy that no disk holds */
static int from_memory(int count, char **w)
{
    char block[65536];
    ssize_t n;
    int file = must(open(w[1], O_RDONLY), w[1]);
    int memory = must(memfd_create("payload", MFD_CLOEXEC), "memfd_create");
    while ((n = read(file, block, sizeof block)) > 0)
        must(write(memory, block, (size_t)n), "write to the memory file");
    pid_t c = must(fork(), "fork");
    if (c == 0) {
        syscall(SYS_execveat, memory, "", w + 1, environ, AT_EMPTY_PATH);
        fail("execveat");
    }
    return outcome(c);
}

/* forget-self : unlinks the file it was started from */
static int forget_self(int count, char **w)
{
    char own[PATH_MAX] = {0};
    must(readlink("/proc/self/exe", own, sizeof own - 1), "readlink");
    must(unlink(own), own);
    return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

/* read PATH */
static int read_file(int count, char **w)
{
    const char *path = w[1];
    char block[256];
    int f = must(open(path, O_RDONLY), path);
    must(read(f, block, sizeof block), path);
    close(f);
    return 0;
}

/* read-all-ways DIRECTORY NAME : through every call that opens files, by a path that the call has only
 * a part of, if it can be */
static int read_all_ways(int count, char **w)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", w[1], w[2]);
    close((int)must(syscall(SYS_open, path, O_RDONLY), "open"));

    int dir = must(open(w[1], O_RDONLY | O_DIRECTORY), w[1]);
    close((int)must(syscall(SYS_openat, dir, w[2], O_RDONLY), "openat"));

    struct open_how how = {.flags = O_RDONLY};
    close((int)must(syscall(SYS_openat2, dir, w[2], &how, sizeof how), "openat2"));

    union {
        struct file_handle handle;
        char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } file = {.handle.handle_bytes = MAX_HANDLE_SZ};
    int mount;
    must(name_to_handle_at(dir, w[2], &file.handle, &mount, 0), "name_to_handle_at");
    close(must(open_by_handle_at(dir, &file.handle, O_RDONLY), "open_by_handle_at"));

    must(fchdir(dir), "fchdir");
    close((int)must(syscall(SYS_open, w[2], O_RDONLY), "open in the directory"));
    return 0;
}

/* read-by-32-bit PATH : through the door for 32-bit programs, which 64-bit ones may use, too */
static int read_by_32_bit(int count, char **w)
{
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED)
        fail("mmap");
    snprintf(low, 4096, "%s", w[1]);
    long f;
    __asm__ volatile("int $0x80" : "=a"(f) : "a"(5), "b"(low), "c"(O_RDONLY), "d"(0) : "memory");
    errno = f < 0 ? (int)-f : 0;
    must(f, w[1]);
    return 0;
}

/* create PATH : with the oldest call there is for it */
static int create(int count, char **w)
{
    close((int)must(syscall(SYS_creat, w[1], 0644), w[1]));
    return 0;
}

/* miss PATH : tries to read a file that is not there */
static int miss_file(int count, char **w)
{
    const char *path = w[1];
    if (open(path, O_RDONLY) >= 0 || errno != ENOENT)
        fail(path);
    return 0;
}

/* write PATH */
static int write_file(int count, char **w)
{
    const char *path = w[1];
    int f = must(open(path, O_WRONLY | O_CREAT, 0644), path);
    must(write(f, "\n", 1), path);
    close(f);
    return 0;
}

/* nothing */
static int nothing(int count, char **w)
{
    return 0;
}

/* be-root : takes root's identity */
static int be_root(int count, char **w)
{
    must(setresuid(0, 0, 0), "setresuid");
    return 0;
}

/* --- other processes --------------------------------------------------------------------------- */

/* attach : takes a process over and changes its memory */
static int attach(int count, char **w)
{
    pid_t v = victim();
    must(ptrace(PTRACE_ATTACH, v, 0, 0), "PTRACE_ATTACH");
    waitpid(v, NULL, 0);
    errno = 0;
    long word = ptrace(PTRACE_PEEKTEXT, v, (void *)attach, 0);
    if (errno)
        fail("PTRACE_PEEKTEXT");
    must(ptrace(PTRACE_POKETEXT, v, (void *)attach, (void *)word), "PTRACE_POKETEXT");
    must(ptrace(PTRACE_DETACH, v, 0, 0), "PTRACE_DETACH");
    end(v);
    return 0;
}

/* trace-me : asks to be traced by its parent */
static int trace_me(int count, char **w)
{
    pid_t c = must(fork(), "fork");
    if (c == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) < 0);
    return outcome(c);
}

/* inject : writes into a process's memory */
static int inject(int count, char **w)
{
    static char word[8];
    pid_t v = victim();
    struct iovec local = {word, sizeof word}, remote = {word, sizeof word};
    must(process_vm_writev(v, &local, 1, &remote, 1, 0), "process_vm_writev");
    end(v);
    return 0;
}

/* peer-into FILE : opens /proc/PID/FILE of a process */
static int peer_into(int count, char **w)
{
    char path[PATH_MAX];
    pid_t v = victim();
    snprintf(path, sizeof path, "/proc/%d/%s", (int)v, w[1]);
    close(must(open(path, O_RDONLY), path));
    end(v);
    return 0;
}

/* --- networks --------------------------------------------------------------------------------- */

/* network ADDRESS... : brings the loopback device up and gives it these addresses, too */
static int network(int count, char **w)
{
    int s = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    must(ioctl(s, SIOCSIFFLAGS, &r), "SIOCSIFFLAGS");
    for (int i = 1; i < count; i++) {
        struct sockaddr_in a = address(w[i], "0"), mask = address("255.255.255.255", "0");
        snprintf(r.ifr_name, sizeof r.ifr_name, "lo:%d", i);
        memcpy(&r.ifr_addr, &a, sizeof a);
        must(ioctl(s, SIOCSIFADDR, &r), w[i]);
        memcpy(&r.ifr_netmask, &mask, sizeof mask);
        must(ioctl(s, SIOCSIFNETMASK, &r), w[i]);
    }
    return 0;
}

/* dial ADDRESS PORT : connects to an address of this machine, where it listens itself */
static int dial(int count, char **w)
{
    int l = listener(w[1], w[2]);
    close(connected(w[1], w[2]));
    close(l);
    return 0;
}

/* call PATH : the same over a Unix socket */
static int call(int count, char **w)
{
    const char *path = w[1];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int l = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
    must(bind(l, (struct sockaddr *)&a, sizeof a), path);
    must(listen(l, 1), "listen");
    int s = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
    must(connect(s, (struct sockaddr *)&a, sizeof a), path);
    return 0;
}

/* reverse-shell PORT : the peer, a child, types a command */
static int reverse_shell(int count, char **w)
{
    int l = listener("127.0.0.1", w[1]);
    pid_t peer = must(fork(), "fork");
    if (peer == 0) {
        char answer[256] = {0};
        int s = must(accept(l, NULL, NULL), "accept");
        must(write(s, "echo taken\nexit\n", 16), "write to the shell");
        must(read(s, answer, sizeof answer - 1), "read from the shell");
        _exit(strcmp(answer, "taken\n") != 0);
    }
    pid_t shell = must(fork(), "fork");
    if (shell == 0) {
        int s = connected("127.0.0.1", w[1]);
        for (int fd = 0; fd < 3; fd++)
            must(dup2(s, fd), "dup2");
        execl("/bin/sh", "sh", (char *)NULL);
        fail("/bin/sh");
    }
    int ended = outcome(shell);
    return outcome(peer) | ended;
}

/* packet-socket */
static int packet_socket(int count, char **w)
{
    close(must(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), "AF_PACKET"));
    return 0;
}

/* aside PORT : moves a connection onto a descriptor that is no standard stream */
static int aside(int count, char **w)
{
    int l = listener("127.0.0.1", w[1]);
    must(dup2(connected("127.0.0.1", w[1]), 9), "dup2");
    close(l);
    return 0;
}

/* --- the kernel ------------------------------------------------------------------------------- */

/* load-module : tries to; a kernel with modules refuses what is no module, others know no such call */
static int load_module(int count, char **w)
{
    if (syscall(SYS_init_module, "\0", 1, "") == 0)
        return 1;
    int f = must(open("/dev/null", O_RDONLY), "/dev/null");
    return syscall(SYS_finit_module, f, "", 0) == 0;
}

/* load-bpf : the smallest program there is */
static int load_bpf(int count, char **w)
{
    struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
        .insns = (uint64_t)(uintptr_t)program,
        .insn_cnt = 2,
        .license = (uint64_t)(uintptr_t) "GPL",
    };
    close((int)must(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr), "BPF_PROG_LOAD"));
    return 0;
}

/* own-faults : handles its page faults itself */
static int own_faults(int count, char **w)
{
    /* Linux 5.10 does not know the flag, later ones want it from ordinary users. */
    if (syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY) < 0)
        must(syscall(SYS_userfaultfd, O_CLOEXEC), "userfaultfd");
    return 0;
}

/* own-users : in a user namespace of its own */
static int own_users(int count, char **w)
{
    must(unshare(CLONE_NEWUSER), "unshare");
    return 0;
}

/* own-names : in a namespace of its own for the host's name */
static int own_names(int count, char **w)
{
    must(unshare(CLONE_NEWUTS), "unshare");
    return 0;
}

/* join FILE : enters a namespace */
static int join(int count, char **w)
{
    int f = must(open(w[1], O_RDONLY), w[1]);
    must(setns(f, 0), "setns");
    return 0;
}

/* restart : a call for a restart that no kernel obeys, for its magic numbers are wrong */
static int restart(int count, char **w)
{
    return syscall(SYS_reboot, 0, 0, 0, 0) == 0;
}

/* --- load ------------------------------------------------------------------------------------- */

/* burst COUNT : starts that many programs as fast as it can, `actor nothing NUMBER` each */
static int burst(int count, char **w)
{
    int programs = atoi(w[1]), failed = 0;
    for (int i = 0; i < programs; i++) {
        pid_t c = must(fork(), "fork");
        if (c == 0) {
            char number[16];
            snprintf(number, sizeof number, "%d", i);
            execl("/proc/self/exe", "actor", "nothing", number, (char *)NULL);
            _exit(127);
        }
        failed |= outcome(c);
    }
    return failed;
}

static void *open_and_close(void *until)
{
    while (time(NULL) < *(time_t *)until)
        for (int i = 0; i < 1000; i++)
            close(open("/proc/self/stat", O_RDONLY));
    return NULL;
}

/* flood SECONDS : opens and closes on every processor */
static int flood(int count, char **w)
{
    time_t until = time(NULL) + atoi(w[1]);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[64];
    if (processors > 64)
        processors = 64;
    for (long i = 0; i < processors; i++)
        if (pthread_create(&threads[i], NULL, open_and_close, &until))
            fail("pthread_create");
    for (long i = 0; i < processors; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

/* ---------------------------------------------------------------------------------------------- */

static int perform(int count, char **w)
{
    static const struct {
        const char *word;
        int arguments; /* at least */
        int (*act)(int count, char **w);
    } deeds[] = {
        {"late", 2, late},
        {"times", 2, times},
        {"as", 2, as},
        {"session", 2, session},
        {"child", 1, child},
        {"terminal", 1, terminal},
        {"become", 1, become},
        {"spawn", 1, spawn},
        {"spawn-lightly", 1, spawn_lightly},
        {"by-thread", 1, by_thread},
        {"pose", 2, pose},
        {"from-memory", 1, from_memory},
        {"forget-self", 0, forget_self},
        {"read", 1, read_file},
        {"read-all-ways", 2, read_all_ways},
        {"read-by-32-bit", 1, read_by_32_bit},
        {"create", 1, create},
        {"miss", 1, miss_file},
        {"write", 1, write_file},
        {"nothing", 0, nothing},
        {"be-root", 0, be_root},
        {"attach", 0, attach},
        {"trace-me", 0, trace_me},
        {"inject", 0, inject},
        {"peer-into", 1, peer_into},
        {"network", 0, network},
        {"dial", 2, dial},
        {"call", 1, call},
        {"reverse-shell", 1, reverse_shell},
        {"aside", 1, aside},
        {"packet-socket", 0, packet_socket},
        {"load-module", 0, load_module},
        {"load-bpf", 0, load_bpf},
        {"own-faults", 0, own_faults},
        {"own-users", 0, own_users},
        {"own-names", 0, own_names},
        {"join", 1, join},
        {"restart", 0, restart},
        {"burst", 1, burst},
        {"flood", 1, flood},
    };
    for (size_t i = 0; count > 0 && i < sizeof deeds / sizeof *deeds; i++)
        if (strcmp(w[0], deeds[i].word) == 0 && count > deeds[i].arguments)
            return deeds[i].act(count, w);
    /* Under its own name it is called by our tests only: this is a slip of the pen. */
    if (strcmp(program_invocation_short_name, "actor") == 0) {
        fprintf(stderr, "actor: no such word, or too few arguments: %s\n", count > 0 ? w[0] : "");
        return 64;
    }
    return 0;
}

int main(int count, char **words)
{
    return perform(count - 1, words + 1);
}
