/* Programs that are hard on a tracer. Each word does something of which the outcome is certain, and
 * prints it; so what is printed, and how it ends, must be the same watched and unwatched.
 *
 *     torture WORD [NUMBER]
 *
 * All of it is bounded and ends by itself: an alarm ends what hangs. */
#include "torture/base.h"

#include "torture/threads.c"

#include "torture/processes.c"

#include "torture/executions.c"

#include "torture/signals.c"

#include "torture/own.c"

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
    {"no-return", no_return}, {"orphaned-vforks", orphaned_vforks},
    {"killed-in-exec", killed_in_exec}, {"execs", execs}, {"strings", strings},
    {"parents-deaths", parents_deaths},
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
