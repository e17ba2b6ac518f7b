/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets but for the data that go through them (events/message.h): made, named, connected, accepted,
 * asked, shut down.
 */
#pragma once

#include "../params/socket.h"
#include "../params/sockopt.h"
#include "words.h"

FIXED_EXIT(socket, SOCKET_SOCKET_X, 24,
	   RESULT U32(socket_family(arg_u32(call, 0))) ARG_U32(1) ARG_U32(2) U32(socket_flags(arg_u32(call, 1))))

struct pair {
	s32 fds[2];
	u64 source, peer;
};

/* Only Unix sockets know their peers. */
INLINE struct pair pair_of(const struct call *call)
{
	struct pair pair = {{-1, -1}, 0, 0};
	if (call->ret || bpf_probe_read_user(pair.fds, sizeof(pair.fds), (const void *)arg(call, 3)))
		return pair;
	struct sock *sk = sock_of_fd(pair.fds[0]);
	pair.source = (u64)sk;
	if (READ(sk, __sk_common.skc_family) == AF_UNIX)
		pair.peer = (u64)READ((struct unix_sock *)sk, peer);
	return pair;
}

FIXED_EXIT(socketpair, SOCKET_SOCKETPAIR_X, 52, struct pair pair = pair_of(call);
	   RESULT S64(pair.fds[0]) S64(pair.fds[1]) U64(pair.source) U64(pair.peer)
	   U32(socket_family(arg_u32(call, 0))) ARG_U32(1) ARG_U32(2))

#define SOCKADDR(n) put_sockaddr(&event, arg(call, n), arg_u32(call, (n) + 1));

EXIT_OF(bind, SOCKET_BIND_X, RESULT SOCKADDR(1) FD(0))
FIXED_EXIT(listen, SOCKET_LISTEN_X, 20, RESULT FD(0) ARG_S32(1))
FIXED_EXIT(getsockname, SOCKET_GETSOCKNAME_X, 0, )
FIXED_EXIT(getpeername, SOCKET_GETPEERNAME_X, 0, )

INLINE u8 shutdown_how(u32 how)
{
	return how <= SHUTDOWN_HOW_SHUT_RDWR ? how : (u8)SHUTDOWN_HOW_SHUT_UNKNOWN;
}

FIXED_EXIT(shutdown, SOCKET_SHUTDOWN_X, 17, RESULT FD(0) U8(shutdown_how(arg_u32(call, 1))))

/* --- Connecting ------------------------------------------------------------------------------------------ */

#define EINPROGRESS 115

/* The address that the caller connects to, if it is one of the Internet: for protocols that tell the socket
 * only later. AF_UNSPEC ends a connection. */
INLINE struct name connected_name(const struct call *call)
{
	struct name name = {arg(call, 1), arg_u32(call, 2)};
	u16 family = AF_UNSPEC;
	bpf_probe_read_user(&family, sizeof(family), (const void *)name.from);
	return family == AF_INET || family == AF_INET6 ? name : NO_NAME;
}

EXIT(connect)
{
	struct event event;
	if (!begin(&event, SOCKET_CONNECT_X))
		return 0;
	s32 fd = arg_s32(call, 0);
	put_s64(&event, call->ret);
	if (call->ret == 0 || call->ret == -EINPROGRESS)
		put_tuple(&event, fd, connected_name(call), CONNECTING);
	else
		put_empty(&event);
	put_s64(&event, fd);
	SOCKADDR(1)
	return send(&event);
}

ENTER(connect)
{
	struct event event;
	if (!begin(&event, SOCKET_CONNECT_E))
		return 0;
	put_s64(&event, arg_s32(call, 0));
	SOCKADDR(1)
	return send(&event);
}

/* Parameters fd to queuemax: the new socket, and the connections that wait at the listening one. */
INLINE void put_accepted(struct event *event, const struct call *call)
{
	u32 len = 0, max = 0;
	put_s64(event, call->ret);
	if (call->ret >= 0) {
		struct sock *listening = sock_of_fd(arg_s32(call, 0));
		len = READ(listening, sk_ack_backlog);
		max = READ(listening, sk_max_ack_backlog);
		put_tuple(event, call->ret, NO_NAME, INCOMING);
	} else {
		put_empty(event);
	}
	put_u8(event, max ? (u64)len * 100 / max : 0);
	put_u32(event, len);
	put_u32(event, max);
}

EXIT_OF(accept, SOCKET_ACCEPT_5_X, put_accepted(&event, call);)
EXIT_OF(accept4, SOCKET_ACCEPT4_6_X, put_accepted(&event, call); U32(socket_flags(arg_u32(call, 3))))

/* --- Options ---------------------------------------------------------------------------------------------- */

EXIT(setsockopt)
{
	struct event event;
	if (!begin(&event, SOCKET_SETSOCKOPT_X))
		return 0;
	u32 len = arg_u32(call, 4);
	put_s64(&event, call->ret);
	put_s64(&event, arg_s32(call, 0));
	put_sockopt(&event, arg_u32(call, 1), arg_u32(call, 2), arg(call, 3), len, call->compat);
	put_u32(&event, len);
	return send(&event);
}

EXIT(getsockopt)
{
	struct event event;
	if (!begin(&event, SOCKET_GETSOCKOPT_X))
		return 0;
	u32 len = 0;
	bpf_probe_read_user(&len, sizeof(len), (const void *)arg(call, 4));
	put_s64(&event, call->ret);
	put_s64(&event, arg_s32(call, 0));
	put_sockopt(&event, arg_u32(call, 1), arg_u32(call, 2), arg(call, 3), len, call->compat);
	put_u32(&event, len);
	return send(&event);
}
