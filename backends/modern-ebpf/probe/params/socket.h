/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets: from an fd to the kernel's socket, and the parameter that tells both of its ends (a tuple).
 *
 * A tuple is a family byte and then, for IPv4 and IPv6, source address and port, destination address and
 * port, ports in host order; for Unix sockets the kernel addresses of destination and source, and the path
 * of the destination. The local end is the source of what goes out, the destination of what comes in.
 * Sockets of other families have no bytes.
 */
#pragma once

#include "file.h"
#include "sockaddr.h"

/* Of all protocols: not connected (include/net/tcp_states.h). */
#define TCP_CLOSE 7

#define SOCK_DGRAM 2
#define SOCK_RAW 3

/* The socket that is open as `fd`, or NULL. Sockets, and nothing else, name their file where `struct socket`
 * has it. */
INLINE struct sock *sock_of_fd(s32 fd)
{
	struct file *file = file_of_fd(fd);
	FIRST_BYTES(socket, 32);
	if (!file || bpf_probe_read_kernel(socket, sizeof(socket), READ(file, private_data)))
		return NULL;
	return PICK(socket, struct socket, file) == file ? PICK(socket, struct socket, sk) : NULL;
}

/* The number of a family in events: that of the kernel, up to the last one that events know. */
INLINE u32 socket_family(u32 family)
{
	bool unknown = family > SOCKET_FAMILIES_AF_NFC || family == 27 /* AF_IB */ || family == 28 /* AF_MPLS */;
	return unknown ? AF_UNSPEC : family;
}

/* SOCK_NONBLOCK and SOCK_CLOEXEC are the O_ flags. */
INLINE u32 socket_flags(u32 flags)
{
	return BITS(flags, O_NONBLOCK, FILE_FLAGS_O_NONBLOCK) | BITS(flags, O_CLOEXEC, FILE_FLAGS_O_CLOEXEC);
}

/* Of a message, or of a new connection, which goes out, too. */
enum direction { OUTGOING, INCOMING, CONNECTING };

/* An address in user memory. */
struct name {
	u64 from;
	u32 len;
};
#define NO_NAME ((struct name){0, 0})

/* Whether an address that the caller names is where a message goes to, or comes from: always without a
 * connection, and in spite of one for datagrams; a stream ignores it. Of a new connection the socket knows
 * better, if it knows anything. */
INLINE bool name_counts(struct sock *sk, bool connected, enum direction direction)
{
	if (!connected)
		return true;
	if (direction == CONNECTING)
		return false;
	u16 type = READ(sk, sk_type);
	return type == SOCK_DGRAM || type == SOCK_RAW;
}

/* What the beginning of `struct sock` tells: family, state, IPv4 address and port of the other end. */
struct head {
	FIRST_BYTES(bytes, 32);
};
#define OF_HEAD(head, field) PICK((head)->bytes, struct sock_common, field)

/* The local address and port, which are near to each other. */
struct local {
	u32 addr;
	u16 port;
};

INLINE struct local local_of(struct inet_sock *inet)
{
	FIRST_BYTES(bytes, 16);
	u32 port_at = OFFSET(struct inet_sock, inet_sport) - OFFSET(struct inet_sock, inet_saddr);
	if (port_at > sizeof(bytes) - sizeof(u16) ||
	    bpf_probe_read_kernel(bytes, sizeof(bytes), FIELD(inet, inet_saddr)))
		return (struct local){READ(inet, inet_saddr), READ(inet, inet_sport)};
	return (struct local){*(u32 *)bytes, *(u16 *)(bytes + port_at)};
}

INLINE u32 write_tuple_ipv4(struct scratch *scratch, u32 pos, struct sock *sk, const struct head *head,
			    struct name name, enum direction direction)
{
	struct local local = local_of((struct inet_sock *)sk);
	u32 remote = OF_HEAD(head, skc_daddr);
	u16 remote_port = OF_HEAD(head, skc_dport);
	if (name.from && name.len >= MIN_SOCKADDR_IN && name_counts(sk, remote_port, direction)) {
		union address named = {};
		/* The kernel takes AF_UNSPEC for AF_INET here. */
		if (read_address(&named, name.from, name.len) &&
		    (named.family == AF_INET || named.family == AF_UNSPEC)) {
			remote = named.in.sin_addr;
			remote_port = named.in.sin_port;
		}
	}
	u8 *to = &scratch->data[pos & (MAX_EVENT - 1)];
	bool out = direction != INCOMING;
	to[0] = AF_INET;
	*(u32 *)(to + 1) = out ? local.addr : remote;
	*(u16 *)(to + 5) = __builtin_bswap16(out ? local.port : remote_port);
	*(u32 *)(to + 7) = out ? remote : local.addr;
	*(u16 *)(to + 11) = __builtin_bswap16(out ? remote_port : local.port);
	return pos + 13;
}

INLINE u32 write_tuple_ipv6(struct scratch *scratch, u32 pos, struct sock *sk, const struct head *head,
			    struct name name, enum direction direction)
{
	struct inet_sock *inet = (struct inet_sock *)sk;
	struct in6_addr local = READ(inet, pinet6, saddr);
	struct in6_addr remote = READ(sk, __sk_common.skc_v6_daddr);
	u16 local_port = local_of(inet).port;
	u16 remote_port = OF_HEAD(head, skc_dport);
	/* The kernel leaves the address where the connection of a datagram socket ends. */
	if (!remote_port && OF_HEAD(head, skc_state) == TCP_CLOSE)
		remote = (struct in6_addr){};
	if (name.from && name.len >= MIN_SOCKADDR_IN && name_counts(sk, remote_port, direction)) {
		union address named = {};
		if (!read_address(&named, name.from, name.len))
			named.family = AF_UNSPEC;
		if (named.family == AF_INET6 && name.len >= MIN_SOCKADDR_IN6) {
			remote = named.in6.sin6_addr;
			remote_port = named.in6.sin6_port;
		} else if (named.family == AF_INET) {
			/* Where the socket may, it goes out as IPv4. */
			remote = (struct in6_addr){{0, 0, __builtin_bswap32(0xffff), named.in.sin_addr}};
			remote_port = named.in.sin_port;
		}
	}
	u8 *to = &scratch->data[pos & (MAX_EVENT - 1)];
	bool out = direction != INCOMING;
	to[0] = AF_INET6;
	*(struct in6_addr *)(to + 1) = out ? local : remote;
	*(u16 *)(to + 17) = __builtin_bswap16(out ? local_port : remote_port);
	*(struct in6_addr *)(to + 19) = out ? remote : local;
	*(u16 *)(to + 35) = __builtin_bswap16(out ? remote_port : local_port);
	return pos + 37;
}

/* Writes the path that a Unix socket is bound to; an empty one if it is not. Where that ends. */
INLINE u32 write_bound_path(struct scratch *scratch, u32 pos, struct unix_sock *unix_sock)
{
	struct unix_address *address = READ(unix_sock, addr);
	u32 len = READ(address, len) - sizeof(u16);
	const char *path = (const char *)FIELD(address, name) + sizeof(u16);
	char first = 0;
	bpf_probe_read_kernel(&first, sizeof(first), path);
	return write_unix_path(scratch, pos, (u64)path, address ? len : 0, first, KERNEL);
}

INLINE u32 write_tuple_unix(struct scratch *scratch, u32 pos, struct sock *sk, struct name name,
			    enum direction direction)
{
	struct unix_sock *local = (struct unix_sock *)sk;
	struct sock *peer = READ(local, peer);
	u8 *to = &scratch->data[pos & (MAX_EVENT - 1)];
	to[0] = AF_UNIX;
	if (direction == INCOMING) {
		*(u64 *)(to + 1) = (u64)sk;
		*(u64 *)(to + 9) = (u64)peer;
		return write_bound_path(scratch, pos + 17, local);
	}
	*(u64 *)(to + 9) = (u64)sk;
	if (name.from && name.len > sizeof(u16) && name_counts(sk, peer, direction)) {
		union address named = {};
		/* Which socket that is, is not to be seen from here. */
		*(u64 *)(to + 1) = 0;
		read_address(&named, name.from, name.len);
		return write_unix_path(scratch, pos + 17, name.from + sizeof(u16), name.len - sizeof(u16),
				       named.sun_path_start, USER);
	}
	*(u64 *)(to + 1) = (u64)peer;
	return write_bound_path(scratch, pos + 17, (struct unix_sock *)peer);
}

INLINE u32 write_tuple(u32 key, u32 pos, u64 sock, struct name name, enum direction direction)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	struct sock *sk = (struct sock *)sock;
	struct head head;
	if (!scratch || bpf_probe_read_kernel(head.bytes, sizeof(head.bytes), sk))
		return pos;
	u16 family = OF_HEAD(&head, skc_family);
	if (family == AF_INET)
		return write_tuple_ipv4(scratch, pos, sk, &head, name, direction);
	if (family == AF_INET6)
		return write_tuple_ipv6(scratch, pos, sk, &head, name, direction);
	if (family == AF_UNIX)
		return write_tuple_unix(scratch, pos, sk, name, direction);
	return pos;
}

/* Writes the tuple of a `struct sock` at `pos` of scratch memory `key`. `name`, if it is not 0, is the
 * address in user memory that a message goes to. Where that ends. */
GLOBAL u32 write_outgoing(u32 key, u32 pos, u64 sock, u64 name, u32 name_len)
{
	return write_tuple(key, pos, sock, (struct name){name, name_len}, OUTGOING);
}

/* The same; `name` is the address that a message came from. */
GLOBAL u32 write_incoming(u32 key, u32 pos, u64 sock, u64 name, u32 name_len)
{
	return write_tuple(key, pos, sock, (struct name){name, name_len}, INCOMING);
}

/* The same; `name` is the address that the socket was to be connected to. */
GLOBAL u32 write_connecting(u32 key, u32 pos, u64 sock, u64 name, u32 name_len)
{
	return write_tuple(key, pos, sock, (struct name){name, name_len}, CONNECTING);
}

/* A parameter: the tuple of the socket `fd`. */
INLINE void put_tuple(struct event *event, s32 fd, struct name name, enum direction direction)
{
	u32 start = event->pos;
	u64 sock = (u64)sock_of_fd(fd);
	event->pos = direction == OUTGOING   ? write_outgoing(event->key, start, sock, name.from, name.len)
		     : direction == INCOMING ? write_incoming(event->key, start, sock, name.from, name.len)
					     : write_connecting(event->key, start, sock, name.from, name.len);
	end_param(event, event->pos - start);
}
