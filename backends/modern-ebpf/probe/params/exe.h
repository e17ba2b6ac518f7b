/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executable of a process: who may write it, where it lies, and when it was changed.
 */
#pragma once

#include "../kernel/fs.h"
#include "file.h"
#include "task.h"

INLINE u64 nanoseconds(s64 seconds, u32 nanoseconds)
{
	return seconds < 0 ? 0 : seconds * 1000000000ull + nanoseconds;
}

/* Bit 31 of the nanoseconds says that somebody asked for the time (I_CTIME_QUERIED, since 6.13). */
#define CTIME_NSEC_MASK 0x7fffffff

/* Last change of an inode's status, nanoseconds since the epoch. */
INLINE u64 ctime_of(struct inode *inode)
{
	struct inode___v6_11 *v6_11 = (void *)inode;
	if (HAS_FIELD(struct inode___v6_11, i_ctime_sec))
		return nanoseconds(READ(v6_11, i_ctime_sec), READ(v6_11, i_ctime_nsec) & CTIME_NSEC_MASK);
	struct inode___v6_6 *v6_6 = (void *)inode;
	struct timespec64 time = HAS_FIELD(struct inode___v6_6, __i_ctime) ? READ(v6_6, __i_ctime)
									     : READ(inode, i_ctime);
	return nanoseconds(time.tv_sec, time.tv_nsec & CTIME_NSEC_MASK);
}

/* Last change of a file's content, nanoseconds since the epoch. */
INLINE u64 mtime_of(struct inode *inode)
{
	struct inode___v6_11 *v6_11 = (void *)inode;
	if (HAS_FIELD(struct inode___v6_11, i_mtime_sec))
		return nanoseconds(READ(v6_11, i_mtime_sec), READ(v6_11, i_mtime_nsec));
	struct inode___v6_7 *v6_7 = (void *)inode;
	struct timespec64 time = HAS_FIELD(struct inode___v6_7, __i_mtime) ? READ(v6_7, __i_mtime)
									     : READ(inode, i_mtime);
	return nanoseconds(time.tv_sec, time.tv_nsec);
}

/* Groups that a user is in besides the effective one are sorted; log2(NGROUPS_MAX) steps find one. */
INLINE bool in_groups(const struct cred *cred, u32 gid)
{
	struct group_info *groups = READ(cred, group_info);
	u32 left = 0, right = READ(groups, ngroups);
	for (u32 i = 0; i < 16; i++) {
		if (left >= right)
			return false;
		u32 middle = (left + right) / 2;
		kgid_t found = READ_ELEMENT(groups, gid, middle);
		if (found.val == gid)
			return true;
		if (found.val < gid)
			left = middle + 1;
		else
			right = middle;
	}
	return false;
}

/* Whether an id of the host exists in a user namespace. */
INLINE bool is_mapped(struct uid_gid_map *map, u32 id)
{
	u32 extents = READ(map, nr_extents);
	/* More than five lie elsewhere; such a namespace is taken for one that maps everything. */
	if (extents > 5)
		return true;
	const u8 *first = (const u8 *)FIELD(map, extent);
	for (u32 i = 0; i < 5; i++) {
		if (i >= extents)
			break;
		const struct uid_gid_extent *extent =
			(const struct uid_gid_extent *)(first + i * KERNEL_SIZE(struct uid_gid_extent));
		if (id - READ(extent, lower_first) < READ(extent, count))
			return true;
	}
	return false;
}

#define MAY_WRITE 2
#define CAP_DAC_OVERRIDE 1
#define CAP_FOWNER 3

/* Whether a process with these credentials may change the file, as far as mode bits, ownership and
 * capabilities decide (inode_permission and inode_owner_or_capable of the kernel; no ACLs). */
GLOBAL u32 is_writable(u64 cred_address, u64 inode_address)
{
	const struct cred *cred = (const struct cred *)cred_address;
	struct inode *inode = (struct inode *)inode_address;
	u16 mode = READ(inode, i_mode);
	u32 type = mode & S_IFMT;
	bool on_disk = type == S_IFREG || type == S_IFDIR || type == S_IFLNK;
	if ((READ(inode, i_sb, s_flags) & SB_RDONLY) && on_disk)
		return false;
	if (READ(inode, i_flags) & S_IMMUTABLE)
		return false;
	u32 uid = READ(inode, i_uid.val), gid = READ(inode, i_gid.val);
	if (uid == (u32)-1 || gid == (u32)-1)
		return false;
	if (READ(cred, fsuid.val) == uid)
		return true;
	if (READ(cred, fsgid.val) == gid || in_groups(cred, gid))
		mode >>= 3;
	if (mode & MAY_WRITE)
		return true;
	struct user_namespace *ns = READ(cred, user_ns);
	u64 effective = READ(cred, cap_effective).val;
	if (!is_mapped(FIELD(ns, uid_map), uid))
		return false;
	return (effective & 1 << CAP_FOWNER) ||
	       ((effective & 1 << CAP_DAC_OVERRIDE) && is_mapped(FIELD(ns, gid_map), gid));
}

/* Whether a file was made by memfd_create: no name in any directory, but one that begins with "memfd:". */
INLINE bool is_memfd(struct file *file)
{
	struct dentry *dentry = READ(file, f_path.dentry);
	if (READ(dentry, d_parent) != dentry)
		return false;
	char name[8] = {};
	bpf_probe_read_kernel_str(name, sizeof("memfd:"), READ(dentry, d_name.name));
	return *(u64 *)name == *(const u64 *)"memfd:\0";
}

/* Portable EXE_* bits. */
INLINE u32 exe_flags(const struct cred *cred, struct file *file)
{
	struct inode *inode = READ(file, f_inode);
	enum overlay_layer layer = overlay_layer_of(inode, READ(inode, i_sb, s_magic));
	return (is_writable((u64)cred, (u64)inode) ? EXECVE_FLAGS_EXE_WRITABLE : 0) |
	       (layer == UPPER_LAYER   ? EXECVE_FLAGS_EXE_UPPER_LAYER
		: layer == LOWER_LAYER ? EXECVE_FLAGS_EXE_LOWER_LAYER
				       : 0) |
	       (is_memfd(file) ? EXECVE_FLAGS_EXE_FROM_MEMFD : 0);
}
