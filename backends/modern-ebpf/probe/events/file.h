/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and attributes of files: links, directories, modes, owners, mounts.
 */
#pragma once

#include "../params/file.h"
#include "words.h"

/* AT_* of the kernel (include/uapi/linux/fcntl.h). */
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR 0x200
#define AT_SYMLINK_FOLLOW 0x400
#define AT_NO_AUTOMOUNT 0x800
#define AT_EMPTY_PATH 0x1000

/* The permission bits have the same values in events. */
#define PERMISSIONS 07777

/* --- Links and directories --------------------------------------------------------------------------- */

EXIT_OF(link, SYSCALL_LINK_2_X, RESULT PATH(0) PATH(1))
EXIT_OF(linkat, SYSCALL_LINKAT_2_X,
	RESULT FD(0) PATH(1) FD(2) PATH(3)
	U32(BITS(arg_u32(call, 4), AT_SYMLINK_FOLLOW, LINKAT_FLAGS_AT_SYMLINK_FOLLOW) |
	    BITS(arg_u32(call, 4), AT_EMPTY_PATH, LINKAT_FLAGS_AT_EMPTY_PATH)))
EXIT_OF(symlink, SYSCALL_SYMLINK_X, RESULT PATH(0) PATH(1))
EXIT_OF(symlinkat, SYSCALL_SYMLINKAT_X, RESULT PATH(0) FD(1) PATH(2))
EXIT_OF(unlink, SYSCALL_UNLINK_2_X, RESULT PATH(0))
EXIT_OF(unlinkat, SYSCALL_UNLINKAT_2_X,
	RESULT FD(0) PATH(1) U32(BITS(arg_u32(call, 2), AT_REMOVEDIR, UNLINKAT_FLAGS_AT_REMOVEDIR)))
EXIT_OF(rename, SYSCALL_RENAME_X, RESULT PATH(0) PATH(1))
EXIT_OF(renameat, SYSCALL_RENAMEAT_X, RESULT FD(0) PATH(1) FD(2) PATH(3))
EXIT_OF(renameat2, SYSCALL_RENAMEAT2_X, RESULT FD(0) PATH(1) FD(2) PATH(3) ARG_U32(4))
EXIT_OF(mkdir, SYSCALL_MKDIR_2_X, RESULT PATH(0) ARG_U32(1))
EXIT_OF(mkdirat, SYSCALL_MKDIRAT_X, RESULT FD(0) PATH(1) ARG_U32(2))
EXIT_OF(rmdir, SYSCALL_RMDIR_2_X, RESULT PATH(0))
FIXED_EXIT(getdents, SYSCALL_GETDENTS_X, 16, RESULT FD(0))
FIXED_EXIT(getdents64, SYSCALL_GETDENTS64_X, 16, RESULT FD(0))

/* File types have the kernel's values in events; none is a regular file. */
INLINE u32 mknod_mode(u32 mode)
{
	u32 type = mode & S_IFMT;
	return (mode & PERMISSIONS) | (type ? type : S_IFREG);
}

EXIT_OF(mknod, SYSCALL_MKNOD_X, RESULT PATH(0) U32(mknod_mode(arg_u32(call, 1))) U32(encode_dev(arg_u32(call, 2))))
EXIT_OF(mknodat, SYSCALL_MKNODAT_X,
	RESULT FD(0) PATH(1) U32(mknod_mode(arg_u32(call, 2))) U32(encode_dev(arg_u32(call, 3))))

/* --- Attributes ---------------------------------------------------------------------------------------- */

EXIT_OF(chmod, SYSCALL_CHMOD_X, RESULT PATH(0) U32(arg_u32(call, 1) & PERMISSIONS))
FIXED_EXIT(fchmod, SYSCALL_FCHMOD_X, 20, RESULT FD(0) U32(arg_u32(call, 1) & PERMISSIONS))
EXIT_OF(fchmodat, SYSCALL_FCHMODAT_X, RESULT FD(0) PATH(1) U32(arg_u32(call, 2) & PERMISSIONS))
EXIT_OF(chown, SYSCALL_CHOWN_X, RESULT PATH(0) ARG_U32(1) ARG_U32(2))
EXIT_OF(lchown, SYSCALL_LCHOWN_X, RESULT PATH(0) ARG_U32(1) ARG_U32(2))
FIXED_EXIT(fchown, SYSCALL_FCHOWN_X, 24, RESULT FD(0) ARG_U32(1) ARG_U32(2))
/* The flag that events know by the name AT_SYMLINK_NOFOLLOW has the value of AT_SYMLINK_FOLLOW, and Falco
 * sets it for that one. */
EXIT_OF(fchownat, SYSCALL_FCHOWNAT_X,
	RESULT FD(0) PATH(1) ARG_U32(2) ARG_U32(3)
	U32(BITS(arg_u32(call, 4), AT_SYMLINK_FOLLOW, FCHOWNAT_FLAGS_AT_SYMLINK_NOFOLLOW) |
	    BITS(arg_u32(call, 4), AT_EMPTY_PATH, FCHOWNAT_FLAGS_AT_EMPTY_PATH)))

INLINE u32 access_flags(u32 mode)
{
	return BITS(mode, 1, ACCESS_FLAGS_X_OK) | BITS(mode, 2, ACCESS_FLAGS_W_OK) | BITS(mode, 4, ACCESS_FLAGS_R_OK);
}

EXIT_OF(access, SYSCALL_ACCESS_X, RESULT PATH(0) U32(access_flags(arg_u32(call, 1))))
EXIT_OF(stat, SYSCALL_STAT_X, RESULT PATH(0))
EXIT_OF(lstat, SYSCALL_LSTAT_X, RESULT PATH(0))
FIXED_EXIT(fstat, SYSCALL_FSTAT_X, 16, RESULT FD(0))
EXIT_OF(newfstatat, SYSCALL_NEWFSTATAT_X,
	RESULT FD(0) PATH(1)
	U32(BITS(arg_u32(call, 3), AT_SYMLINK_NOFOLLOW, NEWFSTATAT_FLAGS_AT_SYMLINK_NOFOLLOW) |
	    BITS(arg_u32(call, 3), AT_EMPTY_PATH, NEWFSTATAT_FLAGS_AT_EMPTY_PATH) |
	    BITS(arg_u32(call, 3), AT_NO_AUTOMOUNT, NEWFSTATAT_FLAGS_AT_NO_AUTOMOUNT)))

/* --- Where a process is --------------------------------------------------------------------------------- */

EXIT_OF(chdir, SYSCALL_CHDIR_X, RESULT PATH(0))
FIXED_EXIT(fchdir, SYSCALL_FCHDIR_X, 16, RESULT FD(0))
EXIT_OF(chroot, SYSCALL_CHROOT_X, RESULT PATH(0))

EXIT(getcwd)
{
	struct event event;
	if (!begin(&event, SYSCALL_GETCWD_X))
		return 0;
	put_s64(&event, call->ret);
	/* After a failure the buffer holds anything. */
	put_path(&event, call->ret >= 0 ? arg(call, 0) : 0);
	return send(&event);
}

/* --- Mounts ---------------------------------------------------------------------------------------------- */

/* Old programs mark the flags so; the kernel ignores it (MS_MGC_VAL of include/uapi/linux/mount.h). */
#define MOUNT_MAGIC 0xC0ED0000

INLINE u32 mount_flags(u32 flags)
{
	return (flags & 0xffff0000) == MOUNT_MAGIC ? flags & 0xffff : flags;
}

EXIT_OF(mount, SYSCALL_MOUNT_X, RESULT PATH(0) PATH(1) PATH(2) U32(mount_flags(arg_u32(call, 3))))
EXIT_OF(umount2, SYSCALL_UMOUNT2_X, RESULT PATH(0) U32(arg_u32(call, 1) & 0xf))

enum fsconfig_command { SET_FLAG, SET_STRING, SET_BINARY, SET_PATH, SET_PATH_EMPTY };

EXIT(fsconfig)
{
	struct event event;
	if (!begin(&event, SYSCALL_FSCONFIG_X))
		return 0;
	u32 command = arg_u32(call, 1);
	u64 value = arg(call, 3);
	s32 aux = arg_s32(call, 4);
	bool is_text = command == SET_STRING || command == SET_PATH || command == SET_PATH_EMPTY;
	bool is_binary = command == SET_BINARY && aux > 0;
	put_s64(&event, call->ret);
	put_s64(&event, arg_s32(call, 0));
	put_u32(&event, command);
	put_path(&event, arg(call, 2));
	put_bytes(&event, (const void *)value, call->ret >= 0 && is_binary ? aux : 0, USER);
	put_path(&event, call->ret >= 0 && is_text ? value : 0);
	put_s32(&event, aux);
	return send(&event);
}
