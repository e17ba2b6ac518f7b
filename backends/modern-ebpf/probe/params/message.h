/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as callers lay them out (struct msghdr and struct mmsghdr), 64-bit and 32-bit.
 */
#pragma once

#include "iovec.h"
#include "socket.h"

/* struct user_msghdr (include/linux/socket.h). */
struct msghdr {
	u64 name;
	u32 name_len;
	u64 vector, count;
	u64 control, control_len;
	u32 flags;
};

/* struct compat_msghdr (include/net/compat.h). */
struct compat_msghdr {
	u32 name, name_len, vector, count, control, control_len, flags;
};

/* Bytes of struct mmsghdr, which is a message's header and the bytes that were sent or received. */
#define MMSGHDR_SIZE(compat) ((compat) ? sizeof(struct compat_msghdr) + 4 : sizeof(struct msghdr) + 8)
#define MSG_LEN_AT(compat) ((compat) ? sizeof(struct compat_msghdr) : sizeof(struct msghdr))

/* Reads the header of a message. False, and all zero, if that cannot be. */
INLINE bool read_msghdr(struct msghdr *header, u64 from, bool compat)
{
	if (compat) {
		struct compat_msghdr old = {};
		bool read = !bpf_probe_read_user(&old, sizeof(old), (const void *)from);
		*header = (struct msghdr){old.name, old.name_len, old.vector, old.count,
					  old.control, old.control_len, old.flags};
		return read;
	}
	if (!bpf_probe_read_user(header, sizeof(*header), (const void *)from))
		return true;
	*header = (struct msghdr){};
	return false;
}

INLINE struct name name_of(const struct msghdr *header)
{
	return (struct name){header->name, header->name_len};
}

/* Bytes of control messages that events hold. */
#define MAX_CONTROL 16384

/* A parameter: what came beside the data: credentials, fds. */
INLINE void put_control(struct event *event, const struct msghdr *header)
{
	u64 len = header->control_len;
	opaque(len);
	if (len > MAX_CONTROL) {
		len = MAX_CONTROL;
		event->counters->truncated++;
	}
	put_bytes(event, (const void *)header->control, len, USER);
}
