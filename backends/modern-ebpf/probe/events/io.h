/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read and written through any fd: read, write, pread64, pwrite64, their vector forms, sendfile.
 */
#pragma once

#include "../params/iovec.h"
#include "words.h"

/* Bytes that were read; those that were written, or were to be. */
#define BYTES_READ (call->ret > 0 ? call->ret : 0)
#define BYTES_WRITTEN(size) (call->ret > 0 ? (u64)call->ret : (size))

/* A position in a file: an argument, or two for 32-bit callers. */
INLINE u64 position(const struct call *call)
{
	u64 low = arg(call, 3);
	return call->compat ? (u64)arg_u32(call, 4) << 32 | low : low;
}

EXIT_OF(read, SYSCALL_READ_X, RESULT put_data(&event, arg(call, 1), BYTES_READ); FD(0) ARG_U32(2))
EXIT_OF(pread64, SYSCALL_PREAD_X,
	RESULT put_data(&event, arg(call, 1), BYTES_READ); FD(0) ARG_U32(2) U64(position(call)))
EXIT_OF(write, SYSCALL_WRITE_X,
	RESULT put_data(&event, arg(call, 1), BYTES_WRITTEN(arg(call, 2))); FD(0) ARG_U32(2))
EXIT_OF(pwrite64, SYSCALL_PWRITE_X,
	RESULT put_data(&event, arg(call, 1), BYTES_WRITTEN(arg(call, 2))); FD(0) ARG_U32(2) U64(position(call)))

/* --- Vectors ---------------------------------------------------------------------------------------------- */

/* Parameters size and data. */
INLINE void put_vector_read(struct event *event, const struct call *call)
{
	put_u32(event, BYTES_READ);
	put_vector_data(event, arg(call, 1), arg(call, 2), call->compat, BYTES_READ, false);
}

EXIT_OF(readv, SYSCALL_READV_X, RESULT put_vector_read(&event, call); FD(0))
EXIT_OF(preadv, SYSCALL_PREADV_X, RESULT put_vector_read(&event, call); FD(0) U64(position(call)))

/* Parameters data, fd and size. */
INLINE void put_vector_written(struct event *event, const struct call *call)
{
	u64 size = put_vector_data(event, arg(call, 1), arg(call, 2), call->compat, BYTES_WRITTEN(MAX_EVENT), true);
	put_s64(event, arg_s32(call, 0));
	put_u32(event, size);
}

EXIT_OF(writev, SYSCALL_WRITEV_X, RESULT put_vector_written(&event, call);)
EXIT_OF(pwritev, SYSCALL_PWRITEV_X, RESULT put_vector_written(&event, call); U64(position(call)))

/* --- From file to file -------------------------------------------------------------------------------------- */

#define COMPAT_NR_SENDFILE 187

/* Where the caller has the offset it goes on from; sendfile(2) of 32-bit callers has a smaller one than
 * their sendfile64(2). */
INLINE u64 sendfile_offset(const struct call *call)
{
	u64 offset = 0;
	bool small = call->compat && CALL_REG(call, orig_ax) == COMPAT_NR_SENDFILE;
	bpf_probe_read_user(&offset, small ? 4 : 8, (const void *)arg(call, 2));
	return offset;
}

FIXED_EXIT(sendfile, SYSCALL_SENDFILE_X, 40, RESULT U64(sendfile_offset(call)) FD(0) FD(1) ARG_U64(3))

/* --- Between processes -------------------------------------------------------------------------------------- */

/* The data is what the caller's own buffers hold. */
#define OWN_DATA put_vector_data(&event, arg(call, 1), arg(call, 2), call->compat, BYTES_READ, false);

EXIT_OF(process_vm_readv, SYSCALL_PROCESS_VM_READV_X, RESULT PID(0) OWN_DATA)
EXIT_OF(process_vm_writev, SYSCALL_PROCESS_VM_WRITEV_X, RESULT PID(0) OWN_DATA)
