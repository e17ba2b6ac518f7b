/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times as callers give them.
 */
#pragma once

#include "../call.h"

/* From here on, 32-bit callers give times with 64 bits, too (clock_gettime64 is the first). */
#define COMPAT_NR_TIME64 403

/* The struct timespec that an argument points to, in nanoseconds; 0 if it cannot be read. */
INLINE u64 timespec_at(const struct call *call, u32 n)
{
	const void *at = (const void *)arg(call, n);
	if (call->compat && CALL_REG(call, orig_ax) < COMPAT_NR_TIME64) {
		s32 old[2] = {};
		bpf_probe_read_user(old, sizeof(old), at);
		return old[0] * 1000000000ull + old[1];
	}
	s64 time[2] = {};
	bpf_probe_read_user(time, sizeof(time), at);
	return time[0] * 1000000000ull + time[1];
}
