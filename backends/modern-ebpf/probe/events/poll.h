/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for fds: poll, ppoll, select, epoll_wait.
 */
#pragma once

#include "../params/time.h"
#include "words.h"

/* struct pollfd (include/uapi/asm-generic/poll.h). */
struct pollfd {
	s32 fd;
	u16 events, revents;
};

/* Fds that events hold, at most. */
#define MAX_POLLFDS 16

/* The kernel's bits up to POLLOUT are the same; those from POLLERR to POLLWRBAND follow POLLRDHUP here. */
INLINE u16 poll_flags(u16 flags)
{
	return (flags & 0x7) | (flags & 0x3f8) << 1 | (flags & 0x2000) >> 10;
}

/* Writes how many fds there are (a u16), then each of them (s64) with the events that came (s16), at `pos` of
 * scratch memory `key`. Where that ends. */
GLOBAL u32 write_pollfds(u32 key, u32 pos, u64 from, u32 count)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return pos;
	u8 *to = &scratch->data[pos & (MAX_EVENT - 1)];
	/* Behind the largest list. */
	struct pollfd *pollfds = (struct pollfd *)(to + 256);
	if (count > MAX_POLLFDS)
		count = MAX_POLLFDS;
	opaque(count);
	if (bpf_probe_read_user(pollfds, (count & 31) * sizeof(struct pollfd), (const void *)from))
		count = 0;
	*(u16 *)to = count;
	for (u32 i = 0; i < MAX_POLLFDS; i++) {
		if (i >= count)
			break;
		*(s64 *)(to + 2 + 10 * i) = pollfds[i].fd;
		*(u16 *)(to + 10 + 10 * i) = poll_flags(pollfds[i].revents);
	}
	return pos + 2 + 10 * count;
}

/* A parameter: the fds of poll(2). */
INLINE void put_pollfds(struct event *event, const struct call *call)
{
	u32 start = event->pos;
	event->pos = write_pollfds(event->key, start, arg(call, 0), arg_u32(call, 1));
	end_param(event, event->pos - start);
}

/* The first 32 of a set of signals. */
INLINE u32 signals_at(const struct call *call, u32 n)
{
	u32 signals = 0;
	bpf_probe_read_user(&signals, sizeof(signals), (const void *)arg(call, n));
	return signals;
}

EXIT_OF(poll, SYSCALL_POLL_X, RESULT put_pollfds(&event, call); S64(arg_s32(call, 2)))
EXIT_OF(ppoll, SYSCALL_PPOLL_X,
	RESULT put_pollfds(&event, call); U64(timespec_at(call, 2)) U32(signals_at(call, 3)))
FIXED_EXIT(select, SYSCALL_SELECT_X, 8, RESULT)
FIXED_EXIT(epoll_wait, SYSCALL_EPOLLWAIT_X, 16, RESULT FD(2))
