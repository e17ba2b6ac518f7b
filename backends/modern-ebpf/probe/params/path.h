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

INLINE void add_name(struct walk *walk, const void *name)
{
	u64 count = walk->count;
	walk->names[count & (MAX_COMPONENTS - 1)] = name;
	walk->count = count + 1;
}

/* Writes '/' and a name for each name of scratch memory `key`, the last one first, then NUL, at `pos`.
 * Where that ends. */
GLOBAL u32 write_names(u32 key, u32 pos)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return pos;
	u32 count = scratch->walk.count;
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
		long n = bpf_probe_read_kernel_str(to, MAX_NAME, scratch->walk.names[at]);
		/* With the slash, without the NUL. */
		n &= ~(n >> 63);
		opaque(n);
		pos += n;
	}
	scratch->data[pos & (MAX_EVENT - 1)] = 0;
	return pos + 1;
}

/* Takes the walk of scratch memory `key` one dentry or mount nearer to the root. Whether it goes on. */
GLOBAL u32 walk_to_parent(u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return false;
	struct walk *walk = &scratch->walk;
	struct dentry *dentry = (struct dentry *)walk->at;
	struct mount *mount = (struct mount *)walk->mount;
	if (dentry == READ(mount, mnt.mnt_root)) {
		struct mount *parent = READ(mount, mnt_parent);
		walk->at = (u64)READ(mount, mnt_mountpoint);
		walk->mount = (u64)parent;
		return parent != mount;
	}
	struct dentry *parent = READ(dentry, d_parent);
	if (parent == dentry) {
		/* It has no place in any directory: a memfd, a pipe. */
		walk->mount = 0;
		return false;
	}
	add_name(walk, READ(dentry, d_name.name));
	walk->at = (u64)parent;
	return true;
}

/* Writes the path of a `struct file` at `pos` of scratch memory `key`, with its NUL. Where that ends. */
GLOBAL u32 write_file_path(u32 key, u32 pos, u64 file_address)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return pos;
	struct file *file = (struct file *)file_address;
	struct vfsmount *vfsmount = READ(file, f_path.mnt);
	struct walk *walk = &scratch->walk;
	walk->at = (u64)READ(file, f_path.dentry);
	walk->mount = (u64)container_of(vfsmount, struct mount, mnt);
	walk->count = 0;
	for (u32 i = 0; i < MAX_COMPONENTS; i++)
		if (!walk_to_parent(key))
			break;
	if (walk->count || walk->mount)
		return write_names(key, pos);
	struct dentry *nameless = (struct dentry *)walk->at;
	u8 *to = &scratch->data[pos & (MAX_EVENT - 1)];
	long n = bpf_probe_read_kernel_str(to, MAX_NAME, READ(nameless, d_name.name));
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
