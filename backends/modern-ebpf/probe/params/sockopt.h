/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket options: their numbers in events, and their values, which are a dynamic parameter: a byte that
 * tells the type, and the value. (include/uapi/asm-generic/socket.h)
 */
#pragma once

#include "../event.h"

#define SOL_SOCKET 1
#define SOL_TCP 6

INLINE u8 sockopt_level(u32 level)
{
	return level == SOL_SOCKET ? SOCKOPT_LEVELS_SOL_SOCKET
	       : level == SOL_TCP  ? SOCKOPT_LEVELS_SOL_TCP
				   : SOCKOPT_LEVELS_UNKNOWN;
}

/* How a value begins, which is its type (PPM_SOCKOPT_IDX_* of libscap). */
enum { SOCKOPT_AS_BYTES, SOCKOPT_AS_ERRNO, SOCKOPT_AS_U32, SOCKOPT_AS_U64, SOCKOPT_AS_TIME };

struct sockopt {
	/* Its number in events. */
	u8 number;
	u8 type;
};

/* The options of level SOL_SOCKET that events know. */
INLINE struct sockopt sockopt_of(u32 name)
{
#define OPTION(at, name, type) [at] = {SOCKOPT_OPTIONS_SO_##name, SOCKOPT_AS_##type}
	static const volatile struct sockopt options[] = {
		OPTION(1, DEBUG, U32),
		OPTION(2, REUSEADDR, U32),
		OPTION(3, TYPE, U32),
		OPTION(4, ERROR, ERRNO),
		OPTION(5, DONTROUTE, U32),
		OPTION(6, BROADCAST, U32),
		OPTION(7, SNDBUF, U32),
		OPTION(8, RCVBUF, U32),
		OPTION(9, KEEPALIVE, U32),
		OPTION(10, OOBINLINE, U32),
		OPTION(11, NO_CHECK, U32),
		OPTION(12, PRIORITY, U32),
		OPTION(13, LINGER, BYTES),
		OPTION(14, BSDCOMPAT, U32),
		OPTION(15, REUSEPORT, U32),
		OPTION(16, PASSCRED, U32),
		OPTION(17, PEERCRED, BYTES),
		OPTION(18, RCVLOWAT, U32),
		OPTION(19, SNDLOWAT, U32),
		OPTION(20, RCVTIMEO, TIME),
		OPTION(21, SNDTIMEO, TIME),
		OPTION(22, SECURITY_AUTHENTICATION, U32),
		OPTION(23, SECURITY_ENCRYPTION_TRANSPORT, U32),
		OPTION(24, SECURITY_ENCRYPTION_NETWORK, U32),
		OPTION(25, BINDTODEVICE, U32),
		OPTION(26, ATTACH_FILTER, BYTES),
		OPTION(27, DETACH_FILTER, U32),
		OPTION(28, PEERNAME, BYTES),
		OPTION(29, TIMESTAMP, U32),
		OPTION(30, ACCEPTCONN, U32),
		OPTION(31, PEERSEC, U32),
		OPTION(32, SNDBUFFORCE, U32),
		OPTION(33, RCVBUFFORCE, U32),
		OPTION(34, PASSSEC, U32),
		OPTION(35, TIMESTAMPNS, U32),
		OPTION(36, MARK, U32),
		OPTION(37, TIMESTAMPING, U32),
		OPTION(38, PROTOCOL, U32),
		OPTION(39, DOMAIN, U32),
		OPTION(40, RXQ_OVFL, U32),
		OPTION(41, WIFI_STATUS, U32),
		OPTION(42, PEEK_OFF, U32),
		OPTION(43, NOFCS, U32),
		OPTION(44, LOCK_FILTER, U32),
		OPTION(45, SELECT_ERR_QUEUE, U32),
		OPTION(46, BUSY_POLL, U32),
		OPTION(47, MAX_PACING_RATE, U32),
		OPTION(48, BPF_EXTENSIONS, U32),
		OPTION(49, INCOMING_CPU, U32),
		OPTION(50, ATTACH_BPF, BYTES),
		OPTION(55, MEMINFO, BYTES),
		OPTION(57, COOKIE, U64),
		OPTION(59, PEERGROUPS, BYTES),
		/* The same two with 64-bit times for everybody. */
		OPTION(66, RCVTIMEO, TIME),
		OPTION(67, SNDTIMEO, TIME),
	};
#undef OPTION
	struct sockopt none = {SOCKOPT_OPTIONS_UNKNOWN, SOCKOPT_AS_BYTES};
	if (name >= sizeof(options) / sizeof(options[0]))
		return none;
	return (struct sockopt){options[name].number, options[name].type};
}

#define SO_RCVTIMEO_NEW 66

/* Bytes of values without a type that events hold. */
#define MAX_OPTION 4096

/* Parameters level and optname, and the value, `len` bytes in user memory. */
INLINE void put_sockopt(struct event *event, u32 level, u32 name, u64 from, u32 len, bool compat)
{
	struct sockopt option = {SOCKOPT_OPTIONS_UNKNOWN, SOCKOPT_AS_BYTES};
	if (level == SOL_SOCKET)
		option = sockopt_of(name);
	put_u8(event, sockopt_level(level));
	put_u8(event, option.number);
	u32 start = event->pos;
	push_u8(event, option.type);
	if (option.type == SOCKOPT_AS_BYTES) {
		opaque(len);
		if (len > MAX_OPTION) {
			len = MAX_OPTION;
			event->counters->truncated++;
		}
		push_bytes(event, (const void *)from, len, USER);
	} else {
		/* A number or two, as far as there are bytes. */
		u64 value[2] = {};
		opaque(len);
		if (len > sizeof(value))
			len = sizeof(value);
		bpf_probe_read_user(value, len, (const void *)from);
		if (option.type == SOCKOPT_AS_U32) {
			push_u32(event, value[0]);
		} else if (option.type == SOCKOPT_AS_TIME) {
			/* struct timeval: a 32-bit caller's old one is half as large. */
			bool old = compat && name < SO_RCVTIMEO_NEW;
			u64 seconds = old ? (u64)(s32)value[0] : value[0];
			u64 microseconds = old ? value[0] >> 32 : value[1];
			push_u64(event, seconds * 1000000000 + microseconds * 1000);
		} else {
			push_u64(event, option.type == SOCKOPT_AS_ERRNO ? (u64)-(s64)(s32)value[0] : value[0]);
		}
	}
	end_param(event, event->pos - start);
}
