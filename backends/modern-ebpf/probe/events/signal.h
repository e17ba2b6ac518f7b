/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals, tracing of other processes, the scheduler, and calls that wait.
 */
#pragma once

#include "../params/task.h"
#include "../params/time.h"
#include "words.h"

/* --- Signals --------------------------------------------------------------------------------------------------- */

FIXED_EXIT(kill, SYSCALL_KILL_X, 17, RESULT PID(0) ARG_U8(1))
FIXED_EXIT(tkill, SYSCALL_TKILL_X, 17, RESULT PID(0) ARG_U8(1))
FIXED_EXIT(tgkill, SYSCALL_TGKILL_X, 25, RESULT PID(0) PID(1) ARG_U8(2))

/* The beginning of siginfo for all signals that somebody sent (include/uapi/asm-generic/siginfo.h). */
struct siginfo {
	s32 signo, errno, code, padding;
	s32 pid;
};

struct signal_context {
	u64 signal;
	const struct siginfo *info;
};

#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGKILL 9
#define SIGTERM 15
#define SIGCHLD 17
#define SIGTSTP 20
#define SIGRTMIN 32
#define SIGRTMAX 64

/* Who sent a signal, 0 if nobody did or it cannot be told. */
INLINE s64 sender_of(u32 signal, const struct siginfo *from)
{
	struct siginfo info = {};
	/* 0 and 1 stand for a signal without information (SEND_SIG_NOINFO and SEND_SIG_PRIV). */
	if ((u64)from <= 1 || bpf_probe_read_kernel(&info, sizeof(info), from))
		return 0;
	bool by_user = signal == SIGTERM || signal == SIGHUP || signal == SIGINT || signal == SIGTSTP ||
		       signal == SIGQUIT;
	if (by_user)
		return info.code <= 0 ? info.pid : 0;
	bool told = signal == SIGKILL || signal == SIGCHLD || (signal >= SIGRTMIN && signal <= SIGRTMAX);
	return told ? info.pid : 0;
}

SEC("tp_btf/signal_deliver")
int signal_deliver(struct signal_context *context)
{
	struct event event;
	u32 signal = context->signal;
	if (!begin_fixed(&event, SIGNALDELIVER_E, 17))
		return 0;
	put_s64(&event, sender_of(signal, context->info));
	put_s64(&event, (u32)bpf_get_current_pid_tgid());
	put_u8(&event, signal);
	return send(&event);
}

/* --- ptrace ----------------------------------------------------------------------------------------------------- */

/* How a dynamic parameter begins (PPM_PTRACE_IDX_* of libscap). */
enum { PTRACE_AS_U64, PTRACE_AS_SIGNAL };

/* Numbers of requests in events by the kernel's (include/uapi/linux/ptrace.h, asm/ptrace-abi.h). */
INLINE u16 ptrace_request(u32 request)
{
	static const volatile u8 low[] = {
		PTRACE_REQUESTS_PTRACE_TRACEME,
		PTRACE_REQUESTS_PTRACE_PEEKTEXT,
		PTRACE_REQUESTS_PTRACE_PEEKDATA,
		PTRACE_REQUESTS_PTRACE_PEEKUSR,
		PTRACE_REQUESTS_PTRACE_POKETEXT,
		PTRACE_REQUESTS_PTRACE_POKEDATA,
		PTRACE_REQUESTS_PTRACE_POKEUSR,
		PTRACE_REQUESTS_PTRACE_CONT,
		PTRACE_REQUESTS_PTRACE_KILL,
		PTRACE_REQUESTS_PTRACE_SINGLESTEP,
		0,
		0,
		PTRACE_REQUESTS_PTRACE_GETREGS,
		PTRACE_REQUESTS_PTRACE_SETREGS,
		PTRACE_REQUESTS_PTRACE_GETFPREGS,
		PTRACE_REQUESTS_PTRACE_SETFPREGS,
		PTRACE_REQUESTS_PTRACE_ATTACH,
		PTRACE_REQUESTS_PTRACE_DETACH,
		PTRACE_REQUESTS_PTRACE_GETFPXREGS,
		PTRACE_REQUESTS_PTRACE_SETFPXREGS,
		0,
		PTRACE_REQUESTS_PTRACE_OLDSETOPTIONS,
		0,
		0,
		PTRACE_REQUESTS_PTRACE_SYSCALL,
		PTRACE_REQUESTS_PTRACE_GET_THREAD_AREA,
		PTRACE_REQUESTS_PTRACE_SET_THREAD_AREA,
		0,
		0,
		0,
		PTRACE_REQUESTS_PTRACE_ARCH_PRCTL,
		PTRACE_REQUESTS_PTRACE_SYSEMU,
		PTRACE_REQUESTS_PTRACE_SYSEMU_SINGLESTEP,
		PTRACE_REQUESTS_PTRACE_SINGLEBLOCK,
	};
	if (request < sizeof(low))
		return low[request];
	/* SETOPTIONS to SETSIGMASK are in the same order. */
	u32 late = request - 0x4200;
	return late <= 11 ? PTRACE_REQUESTS_PTRACE_SETOPTIONS + late : PTRACE_REQUESTS_PTRACE_UNKNOWN;
}

/* A dynamic parameter that is a number. */
INLINE void put_ptrace_u64(struct event *event, u64 value)
{
	push_u8(event, PTRACE_AS_U64);
	push_u64(event, value);
	end_param(event, 1 + 8);
}

/* A dynamic parameter: what a peek found, the signal that a continued process gets, or the argument. */
INLINE void put_ptrace_data(struct event *event, u32 request, u64 data)
{
	u64 found = 0;
	switch (request) {
	case PTRACE_REQUESTS_PTRACE_PEEKTEXT:
	case PTRACE_REQUESTS_PTRACE_PEEKDATA:
	case PTRACE_REQUESTS_PTRACE_PEEKUSR:
		bpf_probe_read_user(&found, sizeof(found), (const void *)data);
		put_ptrace_u64(event, found);
		break;
	case PTRACE_REQUESTS_PTRACE_CONT:
	case PTRACE_REQUESTS_PTRACE_SINGLESTEP:
	case PTRACE_REQUESTS_PTRACE_DETACH:
	case PTRACE_REQUESTS_PTRACE_SYSCALL:
		push_u8(event, PTRACE_AS_SIGNAL);
		push_u8(event, data);
		end_param(event, 1 + 1);
		break;
	default:
		put_ptrace_u64(event, data);
	}
}

EXIT(ptrace)
{
	struct event event;
	if (!begin(&event, SYSCALL_PTRACE_X))
		return 0;
	u32 request = ptrace_request(arg_u32(call, 0));
	bool failed = call->ret < 0;
	put_s64(&event, call->ret);
	put_ptrace_u64(&event, failed ? 0 : arg(call, 2));
	if (failed)
		put_ptrace_u64(&event, 0);
	else
		put_ptrace_data(&event, request, arg(call, 3));
	put_u16(&event, request);
	put_s64(&event, arg_s32(call, 1));
	return send(&event);
}

/* --- Scheduler ---------------------------------------------------------------------------------------------------- */

struct switch_context {
	u64 preempt;
	struct task_struct *previous, *next;
};

SEC("tp_btf/sched_switch")
int sched_switch(struct switch_context *context)
{
	struct task_struct *previous = context->previous;
	struct event event;
	if (!begin_fixed(&event, SCHEDSWITCH_6_E, 36))
		return 0;
	put_s64(&event, READ(context->next, pid));
	put_u64(&event, READ(previous, maj_flt));
	put_u64(&event, READ(previous, min_flt));
	put_memory(&event, READ(previous, mm));
	return send(&event);
}

/* --- Waiting ------------------------------------------------------------------------------------------------------- */

FIXED_EXIT(nanosleep, SYSCALL_NANOSLEEP_X, 16, RESULT U64(timespec_at(call, 0)))

/* Operations up to FUTEX_CMP_REQUEUE_PI have the kernel's numbers, and so have the two flags. */
INLINE u16 futex_operation(u32 op)
{
	u32 command = op & 127;
	return (command <= 12 ? command : 0) | (op & (128 | 256));
}

FIXED_EXIT(futex, SYSCALL_FUTEX_X, 26, RESULT ARG_U64(0) U16(futex_operation(arg_u32(call, 1))) ARG_U64(2))
