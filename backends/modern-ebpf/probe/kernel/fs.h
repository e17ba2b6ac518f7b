/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the kernel's file structures that the probe reads.
 * (include/linux/{fs,fdtable,path,dcache,mount}.h, fs/mount.h)
 */
#pragma once

#include "../bpf.h"
#include "task.h"

#define S_IFMT 00170000
#define S_IFSOCK 0140000
#define S_IFLNK 0120000
#define S_IFREG 0100000
#define S_IFDIR 0040000

#define SB_RDONLY 1
#define S_IMMUTABLE 8
#define FMODE_CREATED 0x100000
#define OVERLAYFS_SUPER_MAGIC 0x794c7630

struct qstr {
	u32 len;
	const u8 *name;
} KERNEL_LAYOUT;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
} KERNEL_LAYOUT;

struct vfsmount {
	struct dentry *mnt_root;
} KERNEL_LAYOUT;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} KERNEL_LAYOUT;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} KERNEL_LAYOUT;

struct super_block {
	u32 s_dev;
	unsigned long s_flags;
	unsigned long s_magic;
} KERNEL_LAYOUT;

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

struct inode {
	u16 i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	u32 i_flags;
	struct super_block *i_sb;
	unsigned long i_ino;
	struct timespec64 i_mtime; /* until 6.6 */
	struct timespec64 i_ctime; /* until 6.5 */
} KERNEL_LAYOUT;

struct inode___v6_6 {
	struct timespec64 __i_ctime;
} KERNEL_LAYOUT;

struct inode___v6_7 {
	struct timespec64 __i_mtime;
} KERNEL_LAYOUT;

struct inode___v6_11 {
	s64 i_mtime_sec, i_ctime_sec;
	u32 i_mtime_nsec, i_ctime_nsec;
} KERNEL_LAYOUT;

struct file_operations;

struct file {
	struct path f_path;
	struct inode *f_inode;
	const struct file_operations *f_op;
	u32 f_flags;
	u32 f_mode;
	void *private_data;
} KERNEL_LAYOUT;

struct fdtable {
	u32 max_fds;
	struct file **fd;
} KERNEL_LAYOUT;

struct files_struct {
	struct fdtable *fdt;
} KERNEL_LAYOUT;
