/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The maps of the probe. User space sets the sizes that depend on the machine (marked "set at load").
 */
#pragma once

#include "bpf.h"
#include "shared.h"

/* Room for one event and for any single write behind its largest one, so that the verifier sees every
 * write inside. */
#define SCRATCH_BYTES (2 * MAX_EVENT)

/* Names of a path that is walked from its end to the root. */
#define MAX_COMPONENTS 64

/* Entries of a vector that are read at once. */
#define BUFFERS_AT_ONCE 16

/* A vector of buffers that is being copied; see params/iovec.h. */
struct vector {
	/* The next entries, as the caller laid them out, and which of them is the next. Twice the room that they
	 * need: of the size of a read the verifier of 5.10 knows how many bits it has. */
	u64 entries[4 * BUFFERS_AT_ONCE];
	u32 next;
	/* Entries from there on. */
	u32 left;
	/* Where the ones after those are in user memory. */
	u64 at;
	/* The sizes of all buffers so far. */
	u64 size;
	/* Where their data begin and go on in the event, and how many bytes more there may be. */
	u32 start, pos, room;
	/* Whether a 32-bit caller laid it out; whether sizes are wanted when there is no room left. */
	bool compat, wants_size;
};

/* Memory to build an event in whose size is not known before. */
struct scratch {
	/* How many programs try to use it; see scratch_take. */
	u64 users;
	u8 data[SCRATCH_BYTES];
	struct walk {
		/* Where the walk is: a dentry and its mount, or a node of a control group. */
		u64 at, mount;
		/* How many names it has met. In memory, as all of this, so that the verifier need not follow
		 * each number that it may have. */
		u64 count;
		const void *names[MAX_COMPONENTS];
	} walk;
	struct vector vector;
};

#ifdef PER_SYSCALL
/* Programs at functions can be preempted by others of the same CPU. */
#define SCRATCHES_PER_CPU 2
#else
/* Programs at tracepoints run to their end before others of the same CPU. */
#define SCRATCHES_PER_CPU 1
#endif

struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct settings);
	MAP_UINT(max_entries, 1);
} settings SEC(".maps");

/* WANTED_* by system call number. */
struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, u8);
	MAP_UINT(max_entries, SYSCALLS);
} wanted SEC(".maps");

/* By CPU (set at load). */
struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct counters);
	MAP_UINT(max_entries, 1);
} counters SEC(".maps");

/* SCRATCHES_PER_CPU for each CPU (set at load). */
struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct scratch);
	MAP_UINT(max_entries, SCRATCHES_PER_CPU);
} scratches SEC(".maps");

struct ring {
	MAP_UINT(type, BPF_MAP_TYPE_RINGBUF);
	MAP_UINT(max_entries, 4096); /* set at load */
};

/* The ring of each CPU (set at load); several may share one. */
struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	MAP_TYPE(key, u32);
	MAP_UINT(max_entries, 1);
	__attribute__((unused)) MAP_VALUES(struct ring);
} rings SEC(".maps");

/* Births, executions and deaths have a ring of their own: a flood of other events cannot push them out,
 * and without them the state of processes is wrong for long. */
struct ring lifecycle SEC(".maps");

#ifndef PER_SYSCALL
/* The programs of system calls, by 64-bit number: exits and the few enters. */
struct {
	MAP_UINT(type, BPF_MAP_TYPE_PROG_ARRAY);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, u32);
	MAP_UINT(max_entries, SYSCALLS);
} exits SEC(".maps"), enters SEC(".maps");
#endif

INLINE struct settings *settings_get(void)
{
	u32 key = 0;
	return bpf_map_lookup_elem(&settings, &key);
}
