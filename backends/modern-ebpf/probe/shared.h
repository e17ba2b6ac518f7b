/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the probe and user space agree on: sizes, settings and counters. Mirrored by src/shared.rs.
 */
#pragma once

#include "bpf.h"

/* System call numbers that the tables have room for. */
#define SYSCALLS 512

/* The largest event in bytes, header and lengths included (one parameter cannot be longer either: its
 * length is a u16). */
#define MAX_EVENT 65536

/* The event classes by which losses are counted; names as in Falco's metrics. */
enum class {
	CLASS_CLONE_FORK,
	CLASS_EXECVE,
	CLASS_CONNECT,
	CLASS_OPEN,
	CLASS_DIR_FILE,
	CLASS_OTHER_INTEREST,
	CLASS_CLOSE,
	CLASS_PROC,
	CLASS_NONE,
	CLASSES,
};

/* The only element of map `settings`; user space may change it at any time. */
struct settings {
	/* What to add to the time since boot for the time since the epoch, in nanoseconds. */
	u64 clock_offset_ns;
	/* Bytes of I/O buffers to copy, at most. */
	u32 snaplen;
	/* Whether system calls that failed are dropped (0 or 1). */
	u32 drop_failed_exit;
	/* A process whose system calls are dropped (tgid), 0 for none. */
	u32 ignored_pid;
	u32 reserved;
};

/* An element of map `counters`, one a CPU; only ever grows. */
struct counters {
	/* Events that were to be sent, lost ones included. */
	u64 seen;
	/* Lost because the ring was full, by class. */
	u64 lost_ring[CLASSES];
	/* Lost because the memory to build them in was in use. */
	u64 lost_scratch;
	/* Lost because they were larger than MAX_EVENT. */
	u64 lost_too_large;
	/* Sent with a parameter cut at the limit of its kind. */
	u64 truncated;
	/* To two cache lines, so that CPUs do not share one. */
	u64 reserved[3];
};

/* Values of map `wanted`, by the number that the register holds. */
#define WANTED_NATIVE 1 /* a 64-bit call of this number is wanted */
#define WANTED_COMPAT 2 /* a 32-bit call of this number is */
