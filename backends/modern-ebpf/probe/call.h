/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls: where their numbers, arguments and results are, for 64-bit and 32-bit callers.
 *
 * The same program text serves two ways of attaching. As a tail call of the dispatcher at the tracepoint
 * sys_exit it gets (regs, result); at the end of `__x64_sys_NAME` (PER_SYSCALL) it gets its argument,
 * which is also `regs`, and its result. The event is written once:
 *
 *   EXIT(close)
 *   {
 *           struct event event;
 *           if (!begin_fixed(&event, SYSCALL_CLOSE_X, 16))
 *                   return 0;
 *           put_s64(&event, call->ret);
 *           put_s64(&event, arg_s32(call, 0));
 *           return send(&event);
 *   }
 */
#pragma once

#include "event.h"
#include "kernel/task.h"

/* The context of all programs about system calls. At sys_enter, `ret` is the number. */
struct call_context {
	const struct pt_regs *regs;
	s64 ret;
};

struct call {
	const struct pt_regs *regs;
	/* Whether the verifier knows what `regs` points to, so that plain loads do: a constant of the kernel. */
	bool direct;
	/* What it returned; anything on entry. */
	s64 ret;
	/* Whether it came in through a 32-bit entry. */
	bool compat;
};

INLINE bool in_compat_call(void)
{
	u32 status = HAS_TYPED_TASK ? typed_task()->thread_info.status : READ(current_task(), thread_info.status);
	return status & TS_COMPAT;
}

/* The number of socketcall(2), which only 32-bit callers have: one call for all that is about sockets,
 * with the arguments in memory. */
#define COMPAT_NR_SOCKETCALL 102

/* What socketcall(2) does by its first argument (include/uapi/linux/net.h), as 64-bit numbers. */
INLINE u32 nr_of_socketcall(u32 call)
{
	static const volatile u16 numbers[] = {
		SYSCALLS, /* there is no 0 */
		41, 49, 42, 50, 43,   /* socket, bind, connect, listen, accept */
		51, 52, 53, 44, 45,   /* getsockname, getpeername, socketpair, send, recv */
		44, 45, 48, 54, 55,   /* sendto, recvfrom, shutdown, setsockopt, getsockopt */
		46, 47, 288, 299, 307 /* sendmsg, recvmsg, accept4, recvmmsg, sendmmsg */
	};
	return call < sizeof(numbers) / sizeof(numbers[0]) ? numbers[call] : SYSCALLS;
}

#define REG(regs, direct, name) ((direct) ? (regs)->name : READ(regs, name))
/* A register of a call. */
#define CALL_REG(call, name) REG((call)->regs, (call)->direct, name)

NOINLINE u64 compat_arg(const struct pt_regs *regs, bool direct, u32 n)
{
	if (REG(regs, direct, orig_ax) == COMPAT_NR_SOCKETCALL) {
		u32 value = 0;
		bpf_probe_read_user(&value, sizeof(value), (const void *)(u64)(u32)REG(regs, direct, cx) + 4 * n);
		return value;
	}
	switch (n) {
	case 0:
		return (u32)REG(regs, direct, bx);
	case 1:
		return (u32)REG(regs, direct, cx);
	case 2:
		return (u32)REG(regs, direct, dx);
	case 3:
		return (u32)REG(regs, direct, si);
	case 4:
		return (u32)REG(regs, direct, di);
	default:
		return (u32)REG(regs, direct, bp);
	}
}

/* The number that a 64-bit caller would have used for this call; SYSCALLS if there is none. */
INLINE u32 native_nr(const struct pt_regs *regs, bool direct, bool compat)
{
	u32 nr = REG(regs, direct, orig_ax);
	if (nr >= SYSCALLS)
		return SYSCALLS;
	if (likely(!compat))
		return nr;
	/* A 64-bit program that became a 32-bit one comes out of the call that it went in by. */
	if (nr == NR_execve || nr == NR_execveat)
		return nr;
	if (nr == COMPAT_NR_SOCKETCALL)
		return nr_of_socketcall(REG(regs, direct, bx));
	u32 native = native_numbers[nr];
	return native < SYSCALLS ? native : SYSCALLS;
}

INLINE u32 nr_of_call(const struct call *call)
{
	return native_nr(call->regs, call->direct, call->compat);
}

/* Argument `n`, from 0, as the register has it. `n` is a constant. */
INLINE u64 arg(const struct call *call, u32 n)
{
	if (unlikely(call->compat))
		return compat_arg(call->regs, call->direct, n);
	switch (n) {
	case 0:
		return CALL_REG(call, di);
	case 1:
		return CALL_REG(call, si);
	case 2:
		return CALL_REG(call, dx);
	case 3:
		return CALL_REG(call, r10);
	case 4:
		return CALL_REG(call, r8);
	default:
		return CALL_REG(call, r9);
	}
}

INLINE u32 arg_u32(const struct call *call, u32 n)
{
	return (u32)arg(call, n);
}

/* An argument of type int: fds, pids, commands. */
INLINE s32 arg_s32(const struct call *call, u32 n)
{
	return (s32)arg(call, n);
}

/* The directory fd of the *at calls: the kernel's AT_FDCWD, which is -100, is the same in events. */
INLINE s64 arg_dirfd(const struct call *call, u32 n)
{
	return arg_s32(call, n);
}

#define HAS_TASK_PT_REGS HAS_ENUM(enum bpf_func_id, BPF_FUNC_task_pt_regs)

/* The call that the current task is in. Its registers are at the top of its kernel stack; kernels before
 * 5.15 have no helper that says so. */
INLINE struct call call_of_current(s64 ret)
{
	const struct pt_regs *regs;
	if (HAS_TASK_PT_REGS)
		regs = (const struct pt_regs *)bpf_task_pt_regs(typed_task());
	else
		regs = (const struct pt_regs *)(READ(current_task(), stack) + THREAD_SIZE) - 1;
	return (struct call){regs, HAS_TASK_PT_REGS, ret, in_compat_call()};
}

#ifdef PER_SYSCALL
/* No dispatcher has looked before. */
INLINE bool is_dropped(s64 ret)
{
	struct settings *settings = settings_get();
	return settings && settings->drop_failed_exit && ret < 0;
}
/* Programs of calls about sockets also hang on socketcall(2), which may make another one than theirs. */
INLINE bool is_other_call(const struct call *call, u32 nr)
{
	return unlikely(call->compat) && CALL_REG(call, orig_ax) == COMPAT_NR_SOCKETCALL &&
	       nr_of_call(call) != nr;
}
/* Old kernels' types do not always say what the functions' argument is, and then refuse to load it. */
INLINE struct call call_of(struct call_context *context)
{
	if (HAS_TASK_PT_REGS)
		return (struct call){context->regs, true, context->ret, in_compat_call()};
	return call_of_current(context->ret);
}
#define EXIT_SECTION(name) "fexit/" #name
#define ENTER_SECTION(name) "fentry/" #name
#else
INLINE bool is_dropped(s64 ret)
{
	return false;
}
INLINE bool is_other_call(const struct call *call, u32 nr)
{
	return false;
}
INLINE struct call call_of(struct call_context *context)
{
	return (struct call){context->regs, true, context->ret, in_compat_call()};
}
/* A section for each: what a loader takes along for a program (lines, types) is what its section has. */
#define EXIT_SECTION(name) "tp_btf/sys_exit/" #name
#define ENTER_SECTION(name) "tp_btf/sys_enter/" #name
#endif

/* Defines the program NAME_exit. */
#define EXIT(name)                                                                                      \
	INLINE int name##_exit_event(const struct call *call);                                          \
	SEC(EXIT_SECTION(name)) int name##_exit(struct call_context *context)                           \
	{                                                                                               \
		struct call call = call_of(context);                                                    \
		if (is_dropped(call.ret) || is_other_call(&call, NR_##name))                            \
			return 0;                                                                       \
		return name##_exit_event(&call);                                                        \
	}                                                                                               \
	INLINE int name##_exit_event(const struct call *call)

/* Defines the program NAME_enter. */
#define ENTER(name)                                                                                     \
	INLINE int name##_enter_event(const struct call *call);                                         \
	SEC(ENTER_SECTION(name)) int name##_enter(struct call_context *context)                         \
	{                                                                                               \
		struct call call = call_of(context);                                                    \
		return is_other_call(&call, NR_##name) ? 0 : name##_enter_event(&call);                 \
	}                                                                                               \
	INLINE int name##_enter_event(const struct call *call)
