/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What events tell of a process: its ids and where they are seen, terminal, credentials, memory, control
 * groups, arguments and environment.
 */
#pragma once

#include "../event.h"
#include "../kernel/task.h"

/* Bytes of argv and of the environment, each. */
#define MAX_ARGS 4096
#define MAX_EXE 4096

/* --- Ids ------------------------------------------------------------------------------------------- */

INLINE struct pid *pid_of(struct task_struct *task, enum pid_type type)
{
	if (type == PIDTYPE_PID)
		return READ(task, thread_pid);
	struct signal_struct *signal = READ(task, signal);
	return READ_ELEMENT(signal, pids, type);
}

/* A pid as the root namespace numbers it. */
INLINE s64 root_nr(struct pid *pid)
{
	const struct upid *first = (const struct upid *)FIELD(pid, numbers);
	return READ(first, nr);
}

/* The innermost number and namespace of a pid: as the process itself sees it. */
INLINE struct upid own_upid(struct pid *pid)
{
	struct upid upid = {};
	const u8 *numbers = (const u8 *)FIELD(pid, numbers);
	u32 level = READ(pid, level);
	const struct upid *at = (const struct upid *)(numbers + level * KERNEL_SIZE(struct upid));
	upid.nr = READ(at, nr);
	upid.ns = READ(at, ns);
	return upid;
}

/* The number of a pid in its own namespace. */
INLINE s64 own_nr(struct pid *pid)
{
	return own_upid(pid).nr;
}

INLINE s64 parent_tid_of(struct task_struct *task)
{
	return READ(task, real_parent, pid);
}

/* --- Credentials ------------------------------------------------------------------------------------ */

INLINE u32 loginuid_of(struct task_struct *task)
{
	if (HAS_FIELD(struct task_struct, loginuid))
		return READ(task, loginuid.val);
	struct task_struct___cos *cos = (void *)task;
	if (HAS_FIELD(struct task_struct___cos, audit))
		return READ(cos, audit, loginuid.val);
	return -1;
}

/* Capabilities that events know: those up to CAP_CHECKPOINT_RESTORE, number 40. */
#define ALL_CAPABILITIES ((1ull << 41) - 1)

INLINE u64 capabilities(kernel_cap_t set)
{
	return set.val & ALL_CAPABILITIES;
}

/* --- Terminal, memory -------------------------------------------------------------------------------- */

/* The terminal's device number, 0 if there is none. */
INLINE u32 tty_of(struct task_struct *task)
{
	struct tty_struct *tty = READ(task, signal, tty);
	if (!tty)
		return 0;
	struct tty_driver *driver = READ(tty, driver);
	u32 major = READ(driver, major);
	u32 minor = READ(driver, minor_start) + READ(tty, index);
	return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

/* Pages of 4 KiB to KiB. */
#define PAGES_TO_KB(pages) ((u32)((pages) << 2))

INLINE s64 rss_counter(struct mm_struct *mm, u32 index)
{
	if (HAS_FIELD(struct mm_rss_stat, count))
		return READ_ELEMENT(mm, rss_stat.count, index).counter;
	/* Counts of the CPUs are left out: what they add is not yet in the sum. */
	struct mm_struct___v6_2 *per_cpu = (void *)mm;
	const u8 *counters_of_mm = (const u8 *)FIELD(per_cpu, rss_stat);
	const struct percpu_counter *counter =
		(const struct percpu_counter *)(counters_of_mm + index * KERNEL_SIZE(struct percpu_counter));
	return READ(counter, count);
}

/* Parameters vm_size, vm_rss and vm_swap, in KiB. */
INLINE void put_memory(struct event *event, struct mm_struct *mm)
{
	s64 rss = rss_counter(mm, MM_FILEPAGES) + rss_counter(mm, MM_ANONPAGES) + rss_counter(mm, MM_SHMEMPAGES);
	put_u32(event, PAGES_TO_KB(READ(mm, total_vm)));
	put_u32(event, PAGES_TO_KB(rss));
	put_u32(event, PAGES_TO_KB(rss_counter(mm, MM_SWAPENTS)));
}

INLINE u64 fdlimit_of(struct task_struct *task)
{
	return READ(task, signal, rlim[RLIMIT_NOFILE].rlim_cur);
}

/* --- Arguments and environment ----------------------------------------------------------------------- */

/* A parameter: NUL-terminated strings one behind the other, as they lie in the memory of the process that
 * runs (`start` to `end`), cut after `limit` bytes. */
INLINE void put_strings(struct event *event, u64 start, u64 end, u32 limit)
{
	u64 len = end - start;
	opaque(len);
	/* `end` is below `start` if something is odd; the kernel lets processes set both. */
	bool cut = len > limit;
	if (cut)
		len = limit;
	event->counters->truncated += cut;
	u32 n = push_bytes(event, (const void *)start, len, USER);
	if (n) {
		/* A cut string ends, too. */
		event->pos--;
		push_u8(event, 0);
	}
	end_param(event, n);
}

/* Parameters exe (argv[0]) and args (the rest) of a process whose memory is that of the current task. */
INLINE void put_exe_and_args(struct event *event, struct mm_struct *mm)
{
	u64 start = READ(mm, arg_start), end = READ(mm, arg_end);
	u32 exe = put_str(event, (const void *)start, MAX_EXE, USER);
	u64 args = start + exe;
	opaque(args);
	put_strings(event, args < end ? args : end, end, exe < MAX_ARGS ? MAX_ARGS - exe : 0);
}

INLINE void put_env(struct event *event, struct mm_struct *mm)
{
	put_strings(event, READ(mm, env_start), READ(mm, env_end), MAX_ARGS);
}
