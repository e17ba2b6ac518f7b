/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of files as the kernel has them, from the root of the mount namespace.
 *
 * bpf_d_path may be called from a few places only, so the dentries are walked by hand, without locks: a
 * rename at the same moment may show. Deeper paths than MAX_COMPONENTS lack their beginning.
 */
#pragma once

#include "../event.h"
#include "../kernel/fs.h"

/* Bytes of a name with its NUL (NAME_MAX + 1). */
#define MAX_NAME 256

INLINE void add_name(struct scratch *scratch, const void *name)
{
	u64 count = scratch->count;
	scratch->names[count & (MAX_COMPONENTS - 1)] = name;
	scratch->count = count + 1;
}

/* Writes '/' and a name for each name of scratch memory `key`, the last one first, then NUL, at `pos`.
 * Where that ends. */
GLOBAL u32 write_names(u32 key, u32 pos)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return pos;
	u32 count = scratch->count;
	if (!count) {
		scratch->data[pos & (MAX_EVENT - 1)] = '/';
		pos++;
	}
	for (u32 i = 0; i < MAX_COMPONENTS; i++) {
		if (i >= count)
			break;
		u32 at = (count - 1 - i) & (MAX_COMPONENTS - 1);
		u32 slash = pos & (MAX_EVENT - 1);
		scratch->data[slash] = '/';
		u8 *to = &scratch->data[slash + 1];
		long n = bpf_probe_read_kernel_str(to, MAX_NAME, scratch->names[at]);
		/* With the slash, without the NUL. */
		n &= ~(n >> 63);
		opaque(n);
		pos += n;
	}
	scratch->data[pos & (MAX_EVENT - 1)] = 0;
	return pos + 1;
}

/* Writes the path of a `struct file` at `pos` of scratch memory `key`, with its NUL. Where that ends. */
GLOBAL u32 write_file_path(u32 key, u32 pos, u64 file_address)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return pos;
	struct file *file = (struct file *)file_address;
	struct dentry *dentry = READ(file, f_path.dentry);
	struct vfsmount *vfsmount = READ(file, f_path.mnt);
	struct mount *mount = container_of(vfsmount, struct mount, mnt);
	struct dentry *mount_root = READ(vfsmount, mnt_root);
	scratch->count = 0;
	for (u32 i = 0; i < MAX_COMPONENTS; i++) {
		if (dentry == mount_root) {
			struct mount *parent = READ(mount, mnt_parent);
			if (parent == mount)
				break;
			dentry = READ(mount, mnt_mountpoint);
			mount = parent;
			mount_root = READ(mount, mnt.mnt_root);
			continue;
		}
		struct dentry *parent = READ(dentry, d_parent);
		if (parent == dentry)
			break;
		add_name(scratch, READ(dentry, d_name.name));
		dentry = parent;
	}
	if (scratch->count || dentry == mount_root)
		return write_names(key, pos);
	/* It has no place in any directory: a memfd, a pipe. */
	u8 *to = &scratch->data[pos & (MAX_EVENT - 1)];
	long n = bpf_probe_read_kernel_str(to, MAX_NAME, READ(dentry, d_name.name));
	n &= ~(n >> 63);
	opaque(n);
	return pos + n;
}

/* A parameter: the path of `file`; of files without one (memfd) the name. Empty for NULL. */
INLINE void put_file_path(struct event *event, struct file *file)
{
	u32 start = event->pos;
	if (file)
		event->pos = write_file_path(event->key, start, (u64)file);
	end_param(event, event->pos - start);
}
