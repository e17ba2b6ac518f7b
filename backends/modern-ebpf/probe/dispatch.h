/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the tracepoints of all system calls to the program of one: what is not wanted leaves here, so these
 * few instructions are what every system call of the machine pays.
 */
#pragma once

#include "call.h"

#ifndef PER_SYSCALL

/* Tail-calls the program of the current call in `programs`, if it is wanted. */
INLINE void dispatch(struct call_context *context, void *programs, bool failed)
{
	u32 nr = context->regs->orig_ax;
	u8 *how = bpf_map_lookup_elem(&wanted, &nr);
	if (likely(!how || !*how))
		return;
	bool compat = in_compat_call();
	if (!(*how & (compat ? WANTED_COMPAT : WANTED_NATIVE)))
		return;
	if (failed) {
		struct settings *settings = settings_get();
		if (settings && settings->drop_failed_exit)
			return;
	}
	nr = native_nr(context->regs, true, compat);
	bpf_tail_call(context, programs, nr);
}

SEC("tp_btf/sys_exit")
int sys_exit(struct call_context *context)
{
	dispatch(context, &exits, context->ret < 0);
	return 0;
}

SEC("tp_btf/sys_enter")
int sys_enter(struct call_context *context)
{
	dispatch(context, &enters, false);
	return 0;
}

#endif
