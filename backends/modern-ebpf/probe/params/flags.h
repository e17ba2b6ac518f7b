/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's flags of x86 (include/uapi/asm-generic/fcntl.h and others) in the portable bits of events.
 */
#pragma once

#include "generated.h"
#include "../bpf.h"

#define O_WRONLY 01
#define O_RDWR 02
#define O_CREAT 0100
#define O_EXCL 0200
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NONBLOCK 04000
#define O_DSYNC 010000
#define O_DIRECT 040000
#define O_LARGEFILE 0100000
#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000
#define O_CLOEXEC 02000000
#define O_SYNC (04000000 | O_DSYNC)
#define O_TMPFILE (020000000 | O_DIRECTORY)

/* `to` if any bit of `from` is set. Falco asks so also for O_TMPFILE and O_SYNC, which are two bits each:
 * its events, and the alerts that users know, show O_TMPFILE for every O_DIRECTORY. */
#define BITS(flags, from, to) ((flags) & (from) ? (to) : 0)

INLINE u32 open_flags(u32 flags)
{
	u32 access = flags & (O_WRONLY | O_RDWR);
	u32 out = access == O_WRONLY ? FILE_FLAGS_O_WRONLY
		  : access == O_RDWR ? FILE_FLAGS_O_RDWR
				     : FILE_FLAGS_O_RDONLY;
	out |= BITS(flags, O_CREAT, FILE_FLAGS_O_CREAT);
	out |= BITS(flags, O_TMPFILE, FILE_FLAGS_O_TMPFILE);
	out |= BITS(flags, O_APPEND, FILE_FLAGS_O_APPEND);
	out |= BITS(flags, O_DSYNC, FILE_FLAGS_O_DSYNC);
	out |= BITS(flags, O_EXCL, FILE_FLAGS_O_EXCL);
	out |= BITS(flags, O_NONBLOCK, FILE_FLAGS_O_NONBLOCK);
	out |= BITS(flags, O_SYNC, FILE_FLAGS_O_SYNC);
	out |= BITS(flags, O_TRUNC, FILE_FLAGS_O_TRUNC);
	out |= BITS(flags, O_DIRECT, FILE_FLAGS_O_DIRECT);
	out |= BITS(flags, O_DIRECTORY, FILE_FLAGS_O_DIRECTORY);
	out |= BITS(flags, O_LARGEFILE, FILE_FLAGS_O_LARGEFILE);
	out |= BITS(flags, O_CLOEXEC, FILE_FLAGS_O_CLOEXEC);
	return out;
}

/* The mode counts only where a file may be made. */
INLINE u32 open_mode(u32 flags, u32 mode)
{
	return flags & (O_CREAT | O_TMPFILE) ? mode & 07777 : 0;
}
