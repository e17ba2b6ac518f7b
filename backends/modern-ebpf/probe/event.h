/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building scap events: a packed header, a u16 length for each parameter, then the parameters one behind
 * the other (the format of captures; driver/ppm_events_public.h of libscap).
 *
 * Two ways in, one set of words to fill the parameters:
 *
 *   begin_fixed(&event, CODE, bytes)  the parameters have `bytes` bytes whatever happens: the event is
 *                                     written straight into the ring;
 *   begin(&event, CODE)               anything else: it is built in scratch memory and copied.
 *
 * Both are false if there is no room, and have counted that; both end with send(&event). The number of
 * parameters is known to the compiler, which refuses programs that fill more or fewer.
 */
#pragma once

#include "generated.h"
#include "kernel/task.h"
#include "maps.h"

#define HEADER_BYTES 26

/* Where its fields are; not a packed struct, which clang would write byte by byte. */
#define HEADER(data, type, at) (*(type *)((data) + (at)))
#define HEADER_TS(data) HEADER(data, u64, 0)
#define HEADER_TID(data) HEADER(data, u64, 8)
#define HEADER_LEN(data) HEADER(data, u32, 16)
#define HEADER_TYPE(data) HEADER(data, u16, 20)
#define HEADER_NPARAMS(data) HEADER(data, u32, 22)

struct event {
	u8 *data;
	/* Where `data` is in, and its place in the map; or NULL: it is in the ring. */
	struct scratch *scratch;
	u32 key;
	struct counters *counters;
	/* Where the next parameter goes, in bytes from `data`. */
	u32 pos;
	/* How many parameters are complete. */
	u32 param;
	u32 params;
	u32 cpu;
	u16 code;
	/* Bytes reserved in the ring; 0 in scratch memory. */
	u32 fixed;
};

/* Which counter a lost event belongs to. The code is a constant, so this costs nothing. */
INLINE enum class class_of(u16 code)
{
	switch (code) {
	case SYSCALL_CLONE_20_X:
	case SYSCALL_CLONE3_X:
	case SYSCALL_FORK_20_X:
	case SYSCALL_VFORK_20_X:
		return CLASS_CLONE_FORK;
	case SYSCALL_EXECVE_19_X:
	case SYSCALL_EXECVEAT_X:
		return CLASS_EXECVE;
	case SOCKET_CONNECT_E:
	case SOCKET_CONNECT_X:
		return CLASS_CONNECT;
	case SYSCALL_OPEN_E:
	case SYSCALL_OPEN_X:
	case SYSCALL_CREAT_E:
	case SYSCALL_CREAT_X:
	case SYSCALL_OPENAT_2_E:
	case SYSCALL_OPENAT_2_X:
	case SYSCALL_OPENAT2_E:
	case SYSCALL_OPENAT2_X:
	case SYSCALL_OPEN_BY_HANDLE_AT_X:
		return CLASS_OPEN;
	case SYSCALL_CHMOD_X:
	case SYSCALL_FCHMOD_X:
	case SYSCALL_FCHMODAT_X:
	case SYSCALL_CHOWN_X:
	case SYSCALL_LCHOWN_X:
	case SYSCALL_FCHOWN_X:
	case SYSCALL_FCHOWNAT_X:
	case SYSCALL_LINK_2_X:
	case SYSCALL_LINKAT_2_X:
	case SYSCALL_MKDIR_2_X:
	case SYSCALL_MKDIRAT_X:
	case SYSCALL_MOUNT_X:
	case SYSCALL_UMOUNT2_X:
	case SYSCALL_RENAME_X:
	case SYSCALL_RENAMEAT_X:
	case SYSCALL_RENAMEAT2_X:
	case SYSCALL_RMDIR_2_X:
	case SYSCALL_SYMLINK_X:
	case SYSCALL_SYMLINKAT_X:
	case SYSCALL_UNLINK_2_X:
	case SYSCALL_UNLINKAT_2_X:
		return CLASS_DIR_FILE;
	case SYSCALL_BPF_2_X:
	case SYSCALL_SETPGID_X:
	case SYSCALL_PTRACE_X:
	case SYSCALL_SECCOMP_X:
	case SYSCALL_SETNS_X:
	case SYSCALL_SETRESGID_X:
	case SYSCALL_SETRESUID_X:
	case SYSCALL_SETSID_X:
	case SYSCALL_UNSHARE_X:
	case SYSCALL_CAPSET_X:
	case SYSCALL_KEYCTL_X:
		return CLASS_OTHER_INTEREST;
	case SYSCALL_CLOSE_X:
		return CLASS_CLOSE;
	case PROCEXIT_1_E:
		return CLASS_PROC;
	default:
		return CLASS_NONE;
	}
}

INLINE bool is_lifecycle(u16 code)
{
	enum class class = class_of(code);
	return class == CLASS_CLONE_FORK || class == CLASS_EXECVE || class == CLASS_PROC;
}

INLINE void *ring_of(u16 code, u32 cpu)
{
	if (is_lifecycle(code))
		return &lifecycle;
	return bpf_map_lookup_elem(&rings, &cpu);
}

/* Takes scratch memory of this CPU for this program alone.
 *
 * Where another program of the CPU may cut in (PER_SYSCALL), counting up tells who comes second: whoever
 * reads 1 is alone, since everybody else counts before they look. At worst nobody is, and the event is
 * lost and counted; never do two use the same memory. Plain additions are atomic against preemption, and
 * all that kernels before 5.12 have. */
INLINE struct scratch *scratch_take(u32 cpu, u32 *key)
{
#ifdef PER_SYSCALL
	for (u32 i = 0; i < SCRATCHES_PER_CPU; i++) {
		*key = cpu * SCRATCHES_PER_CPU + i;
		struct scratch *scratch = bpf_map_lookup_elem(&scratches, key);
		if (!scratch)
			return NULL;
		__sync_fetch_and_add(&scratch->users, 1);
		if (*(volatile u64 *)&scratch->users == 1)
			return scratch;
		__sync_fetch_and_add(&scratch->users, -1);
	}
	return NULL;
#else
	*key = cpu;
	return bpf_map_lookup_elem(&scratches, key);
#endif
}

INLINE void scratch_give_back(struct scratch *scratch)
{
#ifdef PER_SYSCALL
	__sync_fetch_and_add(&scratch->users, -1);
#endif
}

/* What both ways of building begin with: counting, and the header. False if this process is ignored. */
INLINE bool event_prepare(struct event *event, u16 code, u32 params, u32 fixed)
{
	struct settings *settings = settings_get();
	u64 pid_tgid = bpf_get_current_pid_tgid();
	if (!settings || (settings->ignored_pid && settings->ignored_pid == pid_tgid >> 32))
		return false;

	u32 cpu = bpf_get_smp_processor_id();
	struct counters *counters_of_cpu = bpf_map_lookup_elem(&counters, &cpu);
	if (!counters_of_cpu)
		return false;
	counters_of_cpu->seen++;

	u64 ts = bpf_ktime_get_boot_ns() + settings->clock_offset_ns;
	event->counters = counters_of_cpu;
	event->code = code;
	event->cpu = cpu;
	event->param = 0;
	event->params = params;
	event->pos = HEADER_BYTES + 2 * params;
	event->fixed = fixed;
	if (fixed) {
		event->scratch = NULL;
		void *ring = ring_of(code, cpu);
		event->data = ring ? bpf_ringbuf_reserve(ring, fixed, 0) : NULL;
		if (!event->data) {
			counters_of_cpu->lost_ring[class_of(code)]++;
			return false;
		}
	} else {
		u32 key = 0;
		event->scratch = scratch_take(cpu, &key);
		event->key = key;
		if (!event->scratch) {
			counters_of_cpu->lost_scratch++;
			return false;
		}
		event->data = event->scratch->data;
	}
	HEADER_TS(event->data) = ts;
	HEADER_TID(event->data) = (u32)pid_tgid;
	HEADER_LEN(event->data) = fixed;
	HEADER_TYPE(event->data) = code;
	HEADER_NPARAMS(event->data) = params;
	return true;
}

#define begin(event, CODE) event_prepare(event, CODE, CODE##_PARAMS, 0)
#define begin_fixed(event, CODE, bytes)                                                                 \
	event_prepare(event, CODE, CODE##_PARAMS, HEADER_BYTES + 2 * CODE##_PARAMS + (bytes))

/* The event is another thread's than the current one's. */
INLINE void event_of_thread(struct event *event, u32 tid)
{
	HEADER_TID(event->data) = tid;
}

/* The event is of another type that has the same parameters and class. */
INLINE void event_of_type(struct event *event, u16 code)
{
	HEADER_TYPE(event->data) = code;
}

extern void parameters_missing_or_too_many(void)
	__attribute__((error("this event has another number of parameters")));
extern void size_differs(void) __attribute__((error("begin_fixed was told another size")));

/* Sends the event. Always 0, so that programs can return it. */
INLINE int send(struct event *event)
{
	if (event->param != event->params)
		parameters_missing_or_too_many();
	if (event->fixed) {
		if (event->pos != event->fixed)
			size_differs();
		bpf_ringbuf_submit(event->data, BPF_RB_NO_WAKEUP);
		return 0;
	}
	struct counters *counters_of_cpu = event->counters;
	u32 len = event->pos;
	opaque(len);
	if (len > MAX_EVENT) {
		counters_of_cpu->lost_too_large++;
	} else {
		HEADER_LEN(event->data) = len;
		void *ring = ring_of(event->code, event->cpu);
		if (!ring || bpf_ringbuf_output(ring, event->data, len, BPF_RB_NO_WAKEUP))
			counters_of_cpu->lost_ring[class_of(event->code)]++;
	}
	scratch_give_back(event->scratch);
	return 0;
}

/* --- Parameters ----------------------------------------------------------------------------------- */

/* Where the next bytes of the current parameter go. */
INLINE u8 *event_at(struct event *event)
{
	u32 pos = event->pos;
	if (event->fixed)
		return event->data + pos;
	pos &= MAX_EVENT - 1;
	return event->data + pos;
}

/* The parameter that ends here has `len` bytes. */
INLINE void end_param(struct event *event, u16 len)
{
	*(u16 *)(event->data + HEADER_BYTES + 2 * event->param) = len;
	event->param++;
}

#define PUT_INTEGER(name, type)                                                                         \
	/* Bytes of a parameter, of which others may follow. */                                         \
	INLINE void push_##name(struct event *event, type value)                                        \
	{                                                                                               \
		*(type *)event_at(event) = value;                                                       \
		event->pos += sizeof(type);                                                             \
	}                                                                                               \
	/* A whole parameter. */                                                                        \
	INLINE void put_##name(struct event *event, type value)                                         \
	{                                                                                               \
		push_##name(event, value);                                                              \
		end_param(event, sizeof(type));                                                         \
	}
PUT_INTEGER(u8, u8)
PUT_INTEGER(u16, u16)
PUT_INTEGER(u32, u32)
PUT_INTEGER(u64, u64)
PUT_INTEGER(s16, s16)
PUT_INTEGER(s32, s32)
PUT_INTEGER(s64, s64)

/* A parameter without a value. */
INLINE void put_empty(struct event *event)
{
	end_param(event, 0);
}

/* Moves on by `n` bytes that a helper has written, or by none if it failed (`n` < 0); how many. There is
 * no branch, so that the verifier need not follow two ways from every string on. */
INLINE u32 event_advance(struct event *event, long n)
{
	n &= ~(n >> 63);
	opaque(n);
	event->pos += n;
	return n;
}

enum memory { USER, KERNEL };

/* Bytes of a parameter: a string with its NUL, cut after `limit` bytes. None if it cannot be read. */
INLINE u32 push_str(struct event *event, const void *from, u32 limit, enum memory memory)
{
	u8 *at = event_at(event);
	long n = memory == USER ? bpf_probe_read_user_str(at, limit, from)
				: bpf_probe_read_kernel_str(at, limit, from);
	return event_advance(event, n);
}

/* A parameter: a string. */
INLINE u32 put_str(struct event *event, const void *from, u32 limit, enum memory memory)
{
	u32 len = push_str(event, from, limit, memory);
	event->counters->truncated += len == limit;
	end_param(event, len);
	return len;
}

/* Bytes of a parameter: `len` bytes (less than MAX_EVENT), or none if they cannot be read. */
INLINE u32 push_bytes(struct event *event, const void *from, u32 len, enum memory memory)
{
	u8 *at = event_at(event);
	opaque(len);
	len &= MAX_EVENT - 1;
	long error = memory == USER ? bpf_probe_read_user(at, len, from)
				    : bpf_probe_read_kernel(at, len, from);
	return event_advance(event, error < 0 ? -1 : (long)len);
}

/* A parameter: bytes. */
INLINE u32 put_bytes(struct event *event, const void *from, u32 len, enum memory memory)
{
	len = push_bytes(event, from, len, memory);
	end_param(event, len);
	return len;
}

/* A path as large as the kernel takes them (PATH_MAX). */
#define MAX_PATH 4096

/* A parameter: a path in user memory. */
INLINE void put_path(struct event *event, u64 from)
{
	put_str(event, (const void *)from, MAX_PATH, USER);
}
