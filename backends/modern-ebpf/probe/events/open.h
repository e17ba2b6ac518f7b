/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open, openat, openat2, creat, open_by_handle_at and close.
 *
 * The enter events of the opening calls hold the path as the caller passed it before the kernel read it:
 * whoever changes it while the call runs is found out by comparison. open_by_handle_at has none.
 */
#pragma once

#include "../call.h"
#include "../params/file.h"
#include "../params/path.h"

/* struct open_how (include/uapi/linux/openat2.h). */
struct open_how {
	u64 flags, mode, resolve;
};

EXIT(open)
{
	struct event event;
	if (!begin(&event, SYSCALL_OPEN_X))
		return 0;
	struct opened opened = opened_of_fd(call->ret);
	u32 flags = arg_u32(call, 1);
	put_s64(&event, call->ret);
	put_path(&event, arg(call, 0));
	put_u32(&event, open_flags(flags) | opened_flags(opened));
	put_u32(&event, open_mode(flags, arg_u32(call, 2)));
	put_u32(&event, opened.dev);
	put_u64(&event, opened.ino);
	return send(&event);
}

ENTER(open)
{
	struct event event;
	if (!begin(&event, SYSCALL_OPEN_E))
		return 0;
	u32 flags = arg_u32(call, 1);
	put_path(&event, arg(call, 0));
	put_u32(&event, open_flags(flags));
	put_u32(&event, open_mode(flags, arg_u32(call, 2)));
	return send(&event);
}

EXIT(openat)
{
	struct event event;
	if (!begin(&event, SYSCALL_OPENAT_2_X))
		return 0;
	struct opened opened = opened_of_fd(call->ret);
	u32 flags = arg_u32(call, 2);
	put_s64(&event, call->ret);
	put_s64(&event, arg_dirfd(call, 0));
	put_path(&event, arg(call, 1));
	put_u32(&event, open_flags(flags) | opened_flags(opened));
	put_u32(&event, open_mode(flags, arg_u32(call, 3)));
	put_u32(&event, opened.dev);
	put_u64(&event, opened.ino);
	return send(&event);
}

ENTER(openat)
{
	struct event event;
	if (!begin(&event, SYSCALL_OPENAT_2_E))
		return 0;
	u32 flags = arg_u32(call, 2);
	put_s64(&event, arg_dirfd(call, 0));
	put_path(&event, arg(call, 1));
	put_u32(&event, open_flags(flags));
	put_u32(&event, open_mode(flags, arg_u32(call, 3)));
	return send(&event);
}

/* The kernel's bits (include/uapi/linux/openat2.h) and the portable ones are not in the same order. */
INLINE u32 resolve_flags(u32 resolve)
{
	return BITS(resolve, 0x01, OPENAT2_FLAGS_RESOLVE_NO_XDEV) |
	       BITS(resolve, 0x02, OPENAT2_FLAGS_RESOLVE_NO_MAGICLINKS) |
	       BITS(resolve, 0x04, OPENAT2_FLAGS_RESOLVE_NO_SYMLINKS) |
	       BITS(resolve, 0x08, OPENAT2_FLAGS_RESOLVE_BENEATH) |
	       BITS(resolve, 0x10, OPENAT2_FLAGS_RESOLVE_IN_ROOT) |
	       BITS(resolve, 0x20, OPENAT2_FLAGS_RESOLVE_CACHED);
}

INLINE struct open_how open_how_of(const struct call *call)
{
	struct open_how how = {};
	bpf_probe_read_user(&how, sizeof(how), (const void *)arg(call, 2));
	return how;
}

EXIT(openat2)
{
	struct event event;
	if (!begin(&event, SYSCALL_OPENAT2_X))
		return 0;
	struct opened opened = opened_of_fd(call->ret);
	struct open_how how = open_how_of(call);
	put_s64(&event, call->ret);
	put_s64(&event, arg_dirfd(call, 0));
	put_path(&event, arg(call, 1));
	put_u32(&event, open_flags(how.flags) | opened_flags(opened));
	put_u32(&event, open_mode(how.flags, how.mode));
	put_u32(&event, resolve_flags(how.resolve));
	put_u32(&event, opened.dev);
	put_u64(&event, opened.ino);
	return send(&event);
}

ENTER(openat2)
{
	struct event event;
	if (!begin(&event, SYSCALL_OPENAT2_E))
		return 0;
	struct open_how how = open_how_of(call);
	put_s64(&event, arg_dirfd(call, 0));
	put_path(&event, arg(call, 1));
	put_u32(&event, open_flags(how.flags));
	put_u32(&event, open_mode(how.flags, how.mode));
	put_u32(&event, resolve_flags(how.resolve));
	return send(&event);
}

EXIT(creat)
{
	struct event event;
	if (!begin(&event, SYSCALL_CREAT_X))
		return 0;
	struct opened opened = opened_of_fd(call->ret);
	put_s64(&event, call->ret);
	put_path(&event, arg(call, 0));
	put_u32(&event, open_mode(O_CREAT, arg_u32(call, 1)));
	put_u32(&event, opened.dev);
	put_u64(&event, opened.ino);
	put_u16(&event, opened.layer == UPPER_LAYER   ? CREAT_FLAGS_FD_UPPER_LAYER_CREAT
			: opened.layer == LOWER_LAYER ? CREAT_FLAGS_FD_LOWER_LAYER_CREAT
						      : 0);
	return send(&event);
}

ENTER(creat)
{
	struct event event;
	if (!begin(&event, SYSCALL_CREAT_E))
		return 0;
	put_path(&event, arg(call, 0));
	put_u32(&event, open_mode(O_CREAT, arg_u32(call, 1)));
	return send(&event);
}

EXIT(open_by_handle_at)
{
	struct event event;
	if (!begin(&event, SYSCALL_OPEN_BY_HANDLE_AT_X))
		return 0;
	struct opened opened = opened_of_fd(call->ret);
	put_s64(&event, call->ret);
	put_s64(&event, arg_dirfd(call, 0));
	put_u32(&event, open_flags(arg_u32(call, 2)) | opened_flags(opened));
	/* The caller names no path. */
	put_file_path(&event, file_of_fd(call->ret));
	put_u32(&event, opened.dev);
	put_u64(&event, opened.ino);
	return send(&event);
}

EXIT(close)
{
	struct event event;
	if (!begin_fixed(&event, SYSCALL_CLOSE_X, 8 + 8))
		return 0;
	put_s64(&event, call->ret);
	put_s64(&event, arg_s32(call, 0));
	return send(&event);
}
