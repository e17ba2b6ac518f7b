/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fds that are neither files nor sockets by name, and what is done to any fd: copies, pipes, event and
 * timer fds, positions, locks, controls.
 */
#pragma once

#include "../params/file.h"
#include "words.h"

/* --- Copies ---------------------------------------------------------------------------------------------- */

FIXED_EXIT(dup, SYSCALL_DUP_1_X, 16, RESULT FD(0))
FIXED_EXIT(dup2, SYSCALL_DUP2_X, 24, RESULT FD(0) FD(1))
FIXED_EXIT(dup3, SYSCALL_DUP3_X, 28, RESULT FD(0) FD(1) U32(BITS(arg_u32(call, 2), O_CLOEXEC, FILE_FLAGS_O_CLOEXEC)))
FIXED_EXIT(close_range, SYSCALL_CLOSE_RANGE_X, 20, RESULT ARG_U32(0) ARG_U32(1) U32(arg_u32(call, 2) & 6))

/* Numbers of fcntl commands in events by the kernel's (include/uapi/asm-generic/fcntl.h). */
INLINE u8 fcntl_command(u32 command)
{
	static const volatile u8 low[] = {
		FCNTL_COMMANDS_F_DUPFD,	     FCNTL_COMMANDS_F_GETFD,   FCNTL_COMMANDS_F_SETFD,
		FCNTL_COMMANDS_F_GETFL,	     FCNTL_COMMANDS_F_SETFL,   FCNTL_COMMANDS_F_GETLK,
		FCNTL_COMMANDS_F_SETLK,	     FCNTL_COMMANDS_F_SETLKW,  FCNTL_COMMANDS_F_SETOWN,
		FCNTL_COMMANDS_F_GETOWN,     FCNTL_COMMANDS_F_SETSIG,  FCNTL_COMMANDS_F_GETSIG,
		FCNTL_COMMANDS_F_GETLK64,    FCNTL_COMMANDS_F_SETLK64, FCNTL_COMMANDS_F_SETLKW64,
		FCNTL_COMMANDS_F_SETOWN_EX,  FCNTL_COMMANDS_F_GETOWN_EX,
	};
	/* From 36, and from 1024. */
	static const volatile u8 ofd[] = {FCNTL_COMMANDS_F_OFD_GETLK, FCNTL_COMMANDS_F_OFD_SETLK, FCNTL_COMMANDS_F_OFD_SETLKW};
	static const volatile u8 linux_only[] = {
		FCNTL_COMMANDS_F_SETLEASE, FCNTL_COMMANDS_F_GETLEASE,	   FCNTL_COMMANDS_F_NOTIFY,
		0,			   0,				   FCNTL_COMMANDS_F_CANCELLK,
		FCNTL_COMMANDS_F_DUPFD_CLOEXEC, FCNTL_COMMANDS_F_SETPIPE_SZ, FCNTL_COMMANDS_F_GETPIPE_SZ,
	};
	if (command < sizeof(low))
		return low[command];
	if (command - 36 < sizeof(ofd))
		return ofd[command - 36];
	if (command - 1024 < sizeof(linux_only))
		return linux_only[command - 1024];
	return 0;
}

FIXED_EXIT(fcntl, SYSCALL_FCNTL_X, 25, RESULT FD(0) U8(fcntl_command(arg_u32(call, 1))) ARG_U64(2))

/* --- Pipes ------------------------------------------------------------------------------------------------ */

struct pipe_ends {
	s32 fds[2];
};

/* The fds that pipe(2) gave; -1 if they cannot be read. */
INLINE struct pipe_ends pipe_ends_of(const struct call *call)
{
	struct pipe_ends ends;
	if (bpf_probe_read_user(&ends, sizeof(ends), (const void *)arg(call, 0)))
		ends.fds[0] = ends.fds[1] = -1;
	return ends;
}

#define PIPE_FLAGS(flags)                                                                               \
	(BITS(flags, O_CLOEXEC, FILE_FLAGS_O_CLOEXEC) | BITS(flags, O_DIRECT, FILE_FLAGS_O_DIRECT) |    \
	 BITS(flags, O_NONBLOCK, FILE_FLAGS_O_NONBLOCK))

#define PIPE                                                                                            \
	struct pipe_ends ends = pipe_ends_of(call);                                                     \
	RESULT S64(ends.fds[0]) S64(ends.fds[1]) U64(call->ret == 0 ? ino_of_fd(ends.fds[0]) : 0)

FIXED_EXIT(pipe, SYSCALL_PIPE_X, 32, PIPE)
FIXED_EXIT(pipe2, SYSCALL_PIPE2_X, 36, PIPE U32(PIPE_FLAGS(arg_u32(call, 1))))

/* --- Special fds ------------------------------------------------------------------------------------------ */

#define NONBLOCK_CLOEXEC(flags)                                                                         \
	(BITS(flags, O_NONBLOCK, FILE_FLAGS_O_NONBLOCK) | BITS(flags, O_CLOEXEC, FILE_FLAGS_O_CLOEXEC))

FIXED_EXIT(eventfd, SYSCALL_EVENTFD_X, 20, RESULT ARG_U64(0) U32(0))
FIXED_EXIT(eventfd2, SYSCALL_EVENTFD2_X, 18, RESULT U16(NONBLOCK_CLOEXEC(arg_u32(call, 1))) U64(arg_u32(call, 0)))
FIXED_EXIT(signalfd, SYSCALL_SIGNALFD_X, 21, RESULT FD(0) U32(0) U8(0))
FIXED_EXIT(signalfd4, SYSCALL_SIGNALFD4_X, 22, RESULT U16(NONBLOCK_CLOEXEC(arg_u32(call, 3))) FD(0) U32(0))
/* One byte for flags: O_CLOEXEC does not fit. */
FIXED_EXIT(timerfd_create, SYSCALL_TIMERFD_CREATE_X, 10, RESULT ARG_U8(0) U8(NONBLOCK_CLOEXEC(arg_u32(call, 1))))
FIXED_EXIT(inotify_init, SYSCALL_INOTIFY_INIT_X, 9, RESULT U8(0))
FIXED_EXIT(inotify_init1, SYSCALL_INOTIFY_INIT1_X, 10, RESULT U16(NONBLOCK_CLOEXEC(arg_u32(call, 0))))
FIXED_EXIT(epoll_create, SYSCALL_EPOLL_CREATE_X, 12, RESULT ARG_S32(0))
FIXED_EXIT(epoll_create1, SYSCALL_EPOLL_CREATE1_X, 12,
	   RESULT U32(BITS(arg_u32(call, 0), O_CLOEXEC, EPOLL_CREATE1_FLAGS_EPOLL_CLOEXEC)))
FIXED_EXIT(userfaultfd, SYSCALL_USERFAULTFD_X, 12, RESULT ARG_U32(0))
EXIT_OF(memfd_create, SYSCALL_MEMFD_CREATE_X, RESULT PATH(0) U32(arg_u32(call, 1) & 7))
FIXED_EXIT(pidfd_open, SYSCALL_PIDFD_OPEN_X, 20,
	   RESULT PID(0) U32(BITS(arg_u32(call, 1), O_NONBLOCK, PIDFD_OPEN_FLAGS_PIDFD_NONBLOCK)))
FIXED_EXIT(pidfd_getfd, SYSCALL_PIDFD_GETFD_X, 28, RESULT FD(0) FD(1) ARG_U32(2))

/* --- io_uring --------------------------------------------------------------------------------------------- */

/* The beginning of struct io_uring_params (include/uapi/linux/io_uring.h). */
struct io_uring_params {
	u32 sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features;
};

INLINE struct io_uring_params io_uring_params_of(const struct call *call)
{
	struct io_uring_params params = {};
	bpf_probe_read_user(&params, sizeof(params), (const void *)arg(call, 1));
	return params;
}

/* The kernel's bits and the portable ones are the same up to IORING_SETUP_IOPOLL … R_DISABLED, but that the
 * portable ones have IORING_SQ_NEED_WAKEUP in between. */
INLINE u32 io_uring_setup_flags(u32 flags)
{
	return (flags & 3) | (flags & 0x7c) << 1;
}

FIXED_EXIT(io_uring_setup, SYSCALL_IO_URING_SETUP_X, 36,
	   struct io_uring_params params = io_uring_params_of(call);
	   RESULT ARG_U32(0) U32(params.sq_entries) U32(params.cq_entries)
	   U32(io_uring_setup_flags(params.flags)) U32(params.sq_thread_cpu) U32(params.sq_thread_idle)
	   U32(params.features & 0x7ff))
FIXED_EXIT(io_uring_enter, SYSCALL_IO_URING_ENTER_X, 32,
	   RESULT FD(0) ARG_U32(1) ARG_U32(2) U32(arg_u32(call, 3) & 0xf) ARG_U32(4))
FIXED_EXIT(io_uring_register, SYSCALL_IO_URING_REGISTER_X, 30,
	   RESULT FD(0) U16(arg_u32(call, 1)) ARG_U64(2) ARG_U32(3))

/* --- What is done to fds ----------------------------------------------------------------------------------- */

INLINE u32 flock_flags(u32 operation)
{
	return BITS(operation, 1, FLOCK_FLAGS_LOCK_SH) | BITS(operation, 2, FLOCK_FLAGS_LOCK_EX) |
	       BITS(operation, 4, FLOCK_FLAGS_LOCK_NB) | BITS(operation, 8, FLOCK_FLAGS_LOCK_UN);
}

FIXED_EXIT(lseek, SYSCALL_LSEEK_X, 25, RESULT FD(0) ARG_U64(1) U8(arg(call, 2) <= 2 ? arg(call, 2) : 0))
FIXED_EXIT(flock, SYSCALL_FLOCK_X, 20, RESULT FD(0) U32(flock_flags(arg_u32(call, 1))))
FIXED_EXIT(ioctl, SYSCALL_IOCTL_3_X, 32, RESULT FD(0) ARG_U64(1) ARG_U64(2))
FIXED_EXIT(splice, SYSCALL_SPLICE_X, 36, RESULT FD(0) FD(2) ARG_U64(4) U32(arg_u32(call, 5) & 0xf))
FIXED_EXIT(copy_file_range, SYSCALL_COPY_FILE_RANGE_X, 48, RESULT FD(2) ARG_U64(3) FD(0) ARG_U64(1) ARG_U64(4))
