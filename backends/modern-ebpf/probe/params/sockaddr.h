/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket addresses as callers pass them: a parameter of a family byte and what that family has. IPv4 and
 * IPv6: the address and the port, this one in host order; Unix: the path or abstract name as a string.
 * Addresses of other families, and such that are too short, have no bytes.
 */
#pragma once

#include "../event.h"
#include "../kernel/net.h"

/* The shortest addresses that the kernel takes: flow and scope may be missing. */
#define MIN_SOCKADDR_IN 8
#define MIN_SOCKADDR_IN6 24

/* The beginning of any address. */
union address {
	u16 family;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct {
		u16 sun_family;
		char sun_path_start;
	};
};

/* Reads the beginning of an address of `len` bytes in user memory. False if there is none. */
INLINE bool read_address(union address *address, u64 from, u32 len)
{
	opaque(len);
	if (len > sizeof(*address))
		len = sizeof(*address);
	return len >= sizeof(address->family) && !bpf_probe_read_user(address, len, (const void *)from);
}

/* Writes a Unix socket's path as a string, `len` bytes of which are its own. Abstract names, which begin
 * with a NUL, are written without it. Where that ends. */
INLINE u32 write_unix_path(struct scratch *scratch, u32 pos, u64 from, u32 len, char first, enum memory memory)
{
	if (len > UNIX_PATH_MAX)
		len = UNIX_PATH_MAX;
	if (len && !first) {
		from++;
		len--;
	}
	/* One more for the NUL. */
	opaque(len);
	u32 limit = (len & 127) + 1;
	u8 *to = &scratch->data[pos & (MAX_EVENT - 1)];
	long n = memory == USER ? bpf_probe_read_user_str(to, limit, (const void *)from)
				: bpf_probe_read_kernel_str(to, limit, (const void *)from);
	if (n < 1) {
		*to = 0;
		n = 1;
	}
	return pos + n;
}

/* Writes an address of `len` bytes at `pos` of scratch memory `key`. Where that ends. */
GLOBAL u32 write_sockaddr(u32 key, u32 pos, u64 from, u32 len)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	union address address = {};
	if (!scratch || !read_address(&address, from, len))
		return pos;
	u8 *to = &scratch->data[pos & (MAX_EVENT - 1)];
	*to = address.family;
	if (address.family == AF_INET && len >= MIN_SOCKADDR_IN) {
		*(u32 *)(to + 1) = address.in.sin_addr;
		*(u16 *)(to + 5) = __builtin_bswap16(address.in.sin_port);
		return pos + 7;
	}
	if (address.family == AF_INET6 && len >= MIN_SOCKADDR_IN6) {
		*(struct in6_addr *)(to + 1) = address.in6.sin6_addr;
		*(u16 *)(to + 17) = __builtin_bswap16(address.in6.sin6_port);
		return pos + 19;
	}
	if (address.family == AF_UNIX) {
		u32 path_len = len - sizeof(address.family);
		return write_unix_path(scratch, pos + 1, from + sizeof(address.family), path_len,
				       address.sun_path_start, USER);
	}
	return pos;
}

/* A parameter: an address of `len` bytes in user memory. */
INLINE void put_sockaddr(struct event *event, u64 from, u32 len)
{
	u32 start = event->pos;
	event->pos = write_sockaddr(event->key, start, from, len);
	end_param(event, event->pos - start);
}
