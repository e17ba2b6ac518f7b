/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes through sockets: sendto, sendmsg, sendmmsg, recvfrom, recvmsg and recvmmsg.
 */
#pragma once

#include "../params/message.h"
#include "words.h"

/* Functions of socketcall(2) without an address (include/uapi/linux/net.h): send and recv are sendto and
 * recvfrom with fewer arguments. */
#define SYS_SEND 9
#define SYS_RECV 10

INLINE bool has_name(const struct call *call, u32 without)
{
	return !call->compat || CALL_REG(call, orig_ax) != COMPAT_NR_SOCKETCALL || (u32)CALL_REG(call, bx) != without;
}

/* A parameter: a tuple; empty if the call failed. */
INLINE void put_tuple_of_call(struct event *event, s64 ret, s32 fd, struct name name, enum direction direction)
{
	if (ret >= 0)
		put_tuple(event, fd, name, direction);
	else
		put_empty(event);
}

/* --- Sending ------------------------------------------------------------------------------------------- */

/* How many bytes of the caller's there are to show: those sent, or those that were to be. */
INLINE u64 bytes_to_send(s64 ret, u64 size)
{
	return ret > 0 ? ret : size;
}

EXIT(sendto)
{
	struct event event;
	if (!begin(&event, SOCKET_SENDTO_X))
		return 0;
	s32 fd = arg_s32(call, 0);
	u32 size = arg_u32(call, 2);
	put_s64(&event, call->ret);
	put_data(&event, arg(call, 1), bytes_to_send(call->ret, size));
	put_s64(&event, fd);
	put_u32(&event, size);
	struct name name = NO_NAME;
	if (has_name(call, SYS_SEND))
		name = (struct name){arg(call, 4), arg_u32(call, 5)};
	put_tuple_of_call(&event, call->ret, fd, name, OUTGOING);
	return send(&event);
}

EXIT(sendmsg)
{
	struct event event;
	struct msghdr header;
	if (!begin(&event, SOCKET_SENDMSG_X))
		return 0;
	s32 fd = arg_s32(call, 0);
	bool known = read_msghdr(&header, arg(call, 1), call->compat);
	put_s64(&event, call->ret);
	u32 size = put_vector_data(&event, header.vector, header.count, call->compat,
				   bytes_to_send(call->ret, MAX_EVENT), true);
	put_s64(&event, fd);
	if (known)
		put_u32(&event, size);
	else
		put_empty(&event);
	put_tuple_of_call(&event, call->ret, fd, name_of(&header), OUTGOING);
	return send(&event);
}

/* Sends the event of one message of sendmmsg. */
GLOBAL int sent_message(s32 fd, u64 at, u32 compat)
{
	struct event event;
	struct msghdr header;
	u32 len = 0;
	if (!begin(&event, SOCKET_SENDMMSG_X))
		return 0;
	read_msghdr(&header, at, compat);
	bpf_probe_read_user(&len, sizeof(len), (const void *)at + MSG_LEN_AT(compat));
	put_s64(&event, len);
	put_s64(&event, fd);
	u32 size_at = event.pos;
	put_u32(&event, 0);
	u32 size = put_vector_data(&event, header.vector, header.count, compat, bytes_to_send(len, MAX_EVENT), true);
	*(u32 *)(event.data + size_at) = size;
	put_tuple(&event, fd, name_of(&header), OUTGOING);
	return send(&event);
}

/* --- Receiving ----------------------------------------------------------------------------------------- */

EXIT(recvfrom)
{
	struct event event;
	if (!begin(&event, SOCKET_RECVFROM_X))
		return 0;
	s32 fd = arg_s32(call, 0);
	put_s64(&event, call->ret);
	put_data(&event, arg(call, 1), call->ret > 0 ? call->ret : 0);
	struct name name = NO_NAME;
	if (has_name(call, SYS_RECV)) {
		name.from = arg(call, 4);
		if (name.from)
			bpf_probe_read_user(&name.len, sizeof(name.len), (const void *)arg(call, 5));
	}
	put_tuple_of_call(&event, call->ret, fd, name, INCOMING);
	put_s64(&event, fd);
	put_u32(&event, arg_u32(call, 2));
	return send(&event);
}

EXIT(recvmsg)
{
	struct event event;
	struct msghdr header = {};
	if (!begin(&event, SOCKET_RECVMSG_X))
		return 0;
	s32 fd = arg_s32(call, 0);
	u32 size = call->ret > 0 ? call->ret : 0;
	/* The header says what was received only if something was. */
	if (call->ret >= 0)
		read_msghdr(&header, arg(call, 1), call->compat);
	put_s64(&event, call->ret);
	put_u32(&event, size);
	put_vector_data(&event, header.vector, header.count, call->compat, size, false);
	put_tuple_of_call(&event, call->ret, fd, name_of(&header), INCOMING);
	put_control(&event, &header);
	put_s64(&event, fd);
	return send(&event);
}

/* Sends the event of one message of recvmmsg. */
GLOBAL int received_message(s32 fd, u64 at, u32 compat)
{
	struct event event;
	struct msghdr header;
	u32 len = 0;
	if (!begin(&event, SOCKET_RECVMMSG_X))
		return 0;
	read_msghdr(&header, at, compat);
	bpf_probe_read_user(&len, sizeof(len), (const void *)at + MSG_LEN_AT(compat));
	put_s64(&event, len);
	put_s64(&event, fd);
	put_u32(&event, len);
	put_vector_data(&event, header.vector, header.count, compat, len, false);
	put_tuple(&event, fd, name_of(&header), INCOMING);
	put_control(&event, &header);
	return send(&event);
}

/* --- Many at once -------------------------------------------------------------------------------------- */

/* As many messages as the kernel takes (UIO_MAXIOV): so many in so many turns. */
#define MESSAGES_AT_ONCE 32
#define MESSAGE_TURNS 32

/* Sends an event of each of up to MESSAGES_AT_ONCE messages. */
GLOBAL int sent_messages(s32 fd, u64 at, u32 count, u32 compat)
{
	for (u32 i = 0; i < MESSAGES_AT_ONCE; i++) {
		if (i >= count)
			break;
		sent_message(fd, at, compat);
		at += MMSGHDR_SIZE(compat);
	}
	return 0;
}

GLOBAL int received_messages(s32 fd, u64 at, u32 count, u32 compat)
{
	for (u32 i = 0; i < MESSAGES_AT_ONCE; i++) {
		if (i >= count)
			break;
		received_message(fd, at, compat);
		at += MMSGHDR_SIZE(compat);
	}
	return 0;
}

EXIT(sendmmsg)
{
	s32 fd = arg_s32(call, 0);
	u64 at = arg(call, 1);
	if (call->ret > 0) {
		for (u32 i = 0; i < MESSAGE_TURNS; i++) {
			u32 done = i * MESSAGES_AT_ONCE;
			if (done >= call->ret)
				break;
			sent_messages(fd, at + done * MMSGHDR_SIZE(call->compat), call->ret - done, call->compat);
		}
		return 0;
	}
	struct event event;
	if (!begin_fixed(&event, SOCKET_SENDMMSG_X, 8 + 8 + 4))
		return 0;
	put_s64(&event, call->ret);
	put_s64(&event, fd);
	put_u32(&event, 0);
	put_empty(&event);
	put_empty(&event);
	return send(&event);
}

EXIT(recvmmsg)
{
	s32 fd = arg_s32(call, 0);
	u64 at = arg(call, 1);
	if (call->ret > 0) {
		for (u32 i = 0; i < MESSAGE_TURNS; i++) {
			u32 done = i * MESSAGES_AT_ONCE;
			if (done >= call->ret)
				break;
			received_messages(fd, at + done * MMSGHDR_SIZE(call->compat), call->ret - done, call->compat);
		}
		return 0;
	}
	struct event event;
	if (!begin_fixed(&event, SOCKET_RECVMMSG_X, 8 + 8 + 4))
		return 0;
	put_s64(&event, call->ret);
	put_s64(&event, fd);
	put_u32(&event, 0);
	put_empty(&event);
	put_empty(&event);
	put_empty(&event);
	return send(&event);
}
