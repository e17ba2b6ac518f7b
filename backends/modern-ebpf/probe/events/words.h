/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short words for events whose parameters are just arguments of the call: most of them. A line reads as
 * the parameters of the event table:
 *
 *   FIXED_EXIT(dup2, SYSCALL_DUP2_X, 24, RESULT FD(0) FD(1))
 *   EXIT_OF(chmod, SYSCALL_CHMOD_X, RESULT PATH(0) U32(mode_flags(arg_u32(call, 1))))
 *
 * The number behind a code is the size of all parameters in bytes; the compiler refuses a wrong one.
 */
#pragma once

#include "../call.h"

/* An event of fixed size. */
#define FIXED_EXIT(name, CODE, bytes, parameters)                                                       \
	EXIT(name)                                                                                      \
	{                                                                                               \
		struct event event;                                                                     \
		if (!begin_fixed(&event, CODE, bytes))                                                  \
			return 0;                                                                       \
		parameters return send(&event);                                                         \
	}

/* An event with text in it. */
#define EXIT_OF(name, CODE, parameters)                                                                 \
	EXIT(name)                                                                                      \
	{                                                                                               \
		struct event event;                                                                     \
		if (!begin(&event, CODE))                                                               \
			return 0;                                                                       \
		parameters return send(&event);                                                         \
	}

/* What the call returned. */
#define RESULT put_s64(&event, call->ret);
/* Arguments: an fd or pid (an int as 64 bits), a path or other text, integers. */
#define FD(n) put_s64(&event, arg_s32(call, n));
#define PID(n) FD(n)
#define PATH(n) put_path(&event, arg(call, n));
#define ARG_U8(n) put_u8(&event, arg(call, n));
#define ARG_S32(n) put_s32(&event, arg(call, n));
#define ARG_U32(n) put_u32(&event, arg(call, n));
#define ARG_U64(n) put_u64(&event, arg(call, n));
/* Values that take a word to work out. */
#define U8(value) put_u8(&event, value);
#define U16(value) put_u16(&event, value);
#define U32(value) put_u32(&event, value);
#define U64(value) put_u64(&event, value);
#define S64(value) put_s64(&event, value);
