/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files: from an fd of the current process to the inode, and what events tell of it.
 */
#pragma once

#include "../event.h"
#include "../kernel/fs.h"
#include "flags.h"

/* The file that is open as `fd` in the current process, or NULL. */
INLINE struct file *file_of_fd(s64 fd)
{
	u32 max_fds;
	struct file **files;
	if (HAS_TYPED_TASK) {
		struct fdtable *fdt = typed_task()->files->fdt;
		max_fds = fdt->max_fds;
		files = fdt->fd;
	} else {
		struct fdtable *fdt = READ(current_task(), files, fdt);
		max_fds = READ(fdt, max_fds);
		files = READ(fdt, fd);
	}
	return fd >= 0 && fd < max_fds ? READ_AT(files, fd) : NULL;
}

/* A device number as user space has it (new_encode_dev of include/linux/kdev_t.h). */
INLINE u32 encode_dev(u32 dev)
{
	u32 major = dev >> 20, minor = dev & 0xfffff;
	return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

enum overlay_layer { NOT_OVERLAY, UPPER_LAYER, LOWER_LAYER };

/* Which layer of an overlay a file comes from. The dentry of the upper file, if there is one, follows the
 * VFS inode in overlayfs' own inode (fs/overlayfs/ovl_entry.h, struct ovl_inode). */
INLINE enum overlay_layer overlay_layer_of(struct inode *inode, u64 magic)
{
	if (magic != OVERLAYFS_SUPER_MAGIC)
		return NOT_OVERLAY;
	struct dentry *upper = NULL;
	bpf_probe_read_kernel(&upper, sizeof(upper), (u8 *)inode + KERNEL_SIZE(struct inode));
	return upper && READ(upper, d_inode, i_ino) ? UPPER_LAYER : LOWER_LAYER;
}

/* What events tell of a file that was just opened. */
struct opened {
	u32 dev;
	u64 ino;
	enum overlay_layer layer;
	bool created;
};

/* Of the file behind `fd`; all zero if there is none. Every opening pays for this: a helper is called once
 * a struct. */
INLINE struct opened opened_of_fd(s64 fd)
{
	struct opened opened = {};
	struct file *file = file_of_fd(fd);
	FIRST_BYTES(of_file, 80);
	if (!file || bpf_probe_read_kernel(of_file, sizeof(of_file), file))
		return opened;
	opened.created = PICK_OR_READ(of_file, file, f_mode) & FMODE_CREATED;
	struct inode *inode = PICK_OR_READ(of_file, file, f_inode);
	FIRST_BYTES(of_inode, 72);
	if (bpf_probe_read_kernel(of_inode, sizeof(of_inode), inode))
		return opened;
	opened.ino = PICK_OR_READ(of_inode, inode, i_ino);
	struct super_block *sb = PICK_OR_READ(of_inode, inode, i_sb);
	FIRST_BYTES(of_sb, 104);
	if (bpf_probe_read_kernel(of_sb, sizeof(of_sb), sb))
		return opened;
	opened.dev = encode_dev(PICK_OR_READ(of_sb, sb, s_dev));
	opened.layer = overlay_layer_of(inode, PICK_OR_READ(of_sb, sb, s_magic));
	return opened;
}

/* The bits beside the flags that the caller gave. */
INLINE u32 opened_flags(struct opened opened)
{
	return (opened.created ? FILE_FLAGS_O_F_CREATED : 0) |
	       (opened.layer == UPPER_LAYER   ? FILE_FLAGS_FD_UPPER_LAYER
		: opened.layer == LOWER_LAYER ? FILE_FLAGS_FD_LOWER_LAYER
					      : 0);
}

/* The inode number behind an fd, 0 if there is none. */
INLINE u64 ino_of_fd(s64 fd)
{
	struct file *file = file_of_fd(fd);
	return file ? READ(file, f_inode, i_ino) : 0;
}
