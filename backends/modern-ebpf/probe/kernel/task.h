/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the kernel's task, credential, pid, memory and cgroup structures that the probe reads.
 *
 * Only names and types count: offsets are those of the running kernel. A suffix after three underscores
 * tells apart how a struct looked in different kernels; relocation ignores it.
 * (include/linux/{sched,sched/signal,cred,pid,pid_namespace,mm_types,cgroup-defs,kernfs}.h)
 */
#pragma once

#include "../bpf.h"

#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000

/* x86's thread_info.status: the current system call came in through a 32-bit entry
 * (arch/x86/include/asm/thread_info.h). */
#define TS_COMPAT 0x0002

/* Bytes of a kernel stack (arch/x86/include/asm/page_64_types.h, without KASAN). */
#define THREAD_SIZE 16384

#define RLIMIT_NOFILE 7
#define TASK_COMM_LEN 16

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID };

struct list_head {
	struct list_head *next;
} KERNEL_LAYOUT;

typedef struct {
	u32 val;
} kuid_t;

typedef struct {
	u32 val;
} kgid_t;

/* Two u32 until 6.2, one u64 since: 64 bits in the order of a u64 both times. */
typedef struct {
	u64 val;
} kernel_cap_t;

struct uid_gid_extent {
	u32 first, lower_first, count;
} KERNEL_LAYOUT;

struct uid_gid_map {
	u32 nr_extents;
	struct uid_gid_extent extent[5];
} KERNEL_LAYOUT;

struct user_namespace {
	struct uid_gid_map uid_map, gid_map;
} KERNEL_LAYOUT;

struct group_info {
	int ngroups;
	kgid_t gid[0];
} KERNEL_LAYOUT;

struct cred {
	kuid_t uid, suid, euid, fsuid;
	kgid_t gid, sgid, egid, fsgid;
	kernel_cap_t cap_inheritable, cap_permitted, cap_effective;
	struct user_namespace *user_ns;
	struct group_info *group_info;
} KERNEL_LAYOUT;

struct upid {
	int nr;
	struct pid_namespace *ns;
} KERNEL_LAYOUT;

struct pid {
	u32 level;
	struct upid numbers[1];
} KERNEL_LAYOUT;

struct pid_namespace {
	struct task_struct *child_reaper;
	u32 level;
} KERNEL_LAYOUT;

struct nsproxy {
	struct pid_namespace *pid_ns_for_children;
} KERNEL_LAYOUT;

struct rlimit {
	unsigned long rlim_cur, rlim_max;
};

struct tty_driver {
	int major, minor_start;
} KERNEL_LAYOUT;

struct tty_struct {
	struct tty_driver *driver;
	int index;
} KERNEL_LAYOUT;

struct signal_struct {
	struct list_head thread_head;
	struct pid *pids[4];
	struct tty_struct *tty;
	struct rlimit rlim[16];
	u32 is_child_subreaper : 1;
	u32 has_child_subreaper : 1;
} KERNEL_LAYOUT;

typedef struct {
	s64 counter;
} atomic_long_t;

struct mm_rss_stat {
	atomic_long_t count[4];
} KERNEL_LAYOUT;

struct percpu_counter {
	s64 count;
} KERNEL_LAYOUT;

/* Indexes of rss counters (include/linux/mm_types_task.h). */
enum { MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES };

struct mm_struct {
	unsigned long total_vm;
	unsigned long arg_start, arg_end, env_start, env_end;
	struct file *exe_file;
	struct mm_rss_stat rss_stat; /* until 6.1 */
} KERNEL_LAYOUT;

struct mm_struct___v6_2 {
	struct percpu_counter rss_stat[4];
} KERNEL_LAYOUT;

struct kernfs_node {
	const char *name;
	struct kernfs_node *parent; /* until 6.14 */
} KERNEL_LAYOUT;

struct kernfs_node___v6_15 {
	struct kernfs_node *__parent;
} KERNEL_LAYOUT;

struct cgroup {
	struct kernfs_node *kn;
} KERNEL_LAYOUT;

struct cgroup_subsys {
	const char *name;
} KERNEL_LAYOUT;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys *ss;
} KERNEL_LAYOUT;

struct css_set {
	struct cgroup_subsys_state *subsys[16];
} KERNEL_LAYOUT;

/* The values are those of the running kernel's configuration. */
enum cgroup_subsys_id {
	cpuset_cgrp_id = 0,
	cpu_cgrp_id = 1,
	cpuacct_cgrp_id = 2,
	io_cgrp_id = 3,
	memory_cgrp_id = 4,
};

struct thread_info {
	u32 status;
} KERNEL_LAYOUT;

struct task_struct {
	struct thread_info thread_info;
	u8 *stack;
	u32 flags;
	int exit_code;
	int pid, tgid;
	struct task_struct *real_parent;
	struct list_head children;
	struct list_head thread_node;
	struct pid *thread_pid;
	u64 start_time;
	unsigned long min_flt, maj_flt;
	const struct cred *cred;
	char comm[TASK_COMM_LEN];
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct mm_struct *mm;
	kuid_t loginuid; /* CONFIG_AUDIT */
	struct css_set *cgroups;
} KERNEL_LAYOUT;

/* Container-Optimized OS keeps audit data apart. */
struct audit_task_info {
	kuid_t loginuid;
} KERNEL_LAYOUT;

struct task_struct___cos {
	struct audit_task_info *audit;
} KERNEL_LAYOUT;

struct linux_binprm {
	const char *filename;
} KERNEL_LAYOUT;

/* x86-64's saved registers; part of the user interface (asm/ptrace.h), so offsets are fixed. */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
	unsigned long ip, cs, flags, sp, ss;
};

INLINE struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

/* Since 5.11 the current task can be had as a pointer whose type the verifier knows: plain loads follow it,
 * where READ calls a helper for each step. For what every event pays. */
#define HAS_TYPED_TASK HAS_ENUM(enum bpf_func_id, BPF_FUNC_get_current_task_btf)

INLINE struct task_struct *typed_task(void)
{
	return bpf_get_current_task_btf();
}
