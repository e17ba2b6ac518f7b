/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How processes begin, become another program and end.
 *
 * A successful execve or execveat is told where the kernel has just switched programs
 * (sched_process_exec), a failed one at its exit. The caller of a clone is told of at its exit; the child
 * where it is made (sched_process_fork): before it can do anything, wherever its first return would be.
 */
#pragma once

#include "../call.h"
#include "../params/cgroup.h"
#include "../params/exe.h"
#include "../params/path.h"
#include "../params/task.h"

/* Parameters tid to comm, which birth and execution share. */
INLINE void put_process(struct event *event, struct task_struct *task)
{
	put_s64(event, READ(task, pid));
	put_s64(event, READ(task, tgid));
	put_s64(event, parent_tid_of(task));
	/* cwd: user space knows it. */
	put_empty(event);
	put_u64(event, fdlimit_of(task));
	put_u64(event, READ(task, maj_flt));
	put_u64(event, READ(task, min_flt));
	put_memory(event, READ(task, mm));
	put_str(event, FIELD(task, comm), TASK_COMM_LEN, KERNEL);
}

/* --- Execution ------------------------------------------------------------------------------------- */

/* Parameters tty to gid. */
INLINE void put_program(struct event *event, struct task_struct *task)
{
	const struct cred *cred = READ(task, cred);
	struct file *exe = READ(task, mm, exe_file);
	struct inode *inode = READ(exe, f_inode);
	put_u32(event, tty_of(task));
	put_s64(event, own_nr(pid_of(task, PIDTYPE_PGID)));
	put_u32(event, loginuid_of(task));
	put_u32(event, exe_flags(cred, exe));
	put_u64(event, capabilities(READ(cred, cap_inheritable)));
	put_u64(event, capabilities(READ(cred, cap_permitted)));
	put_u64(event, capabilities(READ(cred, cap_effective)));
	put_u64(event, READ(inode, i_ino));
	put_u64(event, ctime_of(inode));
	put_u64(event, mtime_of(inode));
	put_u32(event, READ(cred, euid.val));
	put_file_path(event, exe);
	put_s64(event, root_nr(pid_of(task, PIDTYPE_PGID)));
	put_u32(event, READ(cred, egid.val));
}

struct exec_context {
	struct task_struct *task;
	s64 old_pid;
	struct linux_binprm *bprm;
};

SEC("tp_btf/sched_process_exec")
int sched_process_exec(struct exec_context *context)
{
	struct task_struct *task = current_task();
	struct event event;
	if ((READ(task, flags) & PF_KTHREAD) || !begin(&event, SYSCALL_EXECVE_19_X))
		return 0;
	struct mm_struct *mm = READ(task, mm);
	put_s64(&event, 0);
	put_exe_and_args(&event, mm);
	put_process(&event, task);
	put_cgroups(&event, task);
	put_env(&event, mm);
	put_program(&event, task);
	put_str(&event, READ(context->bprm, filename), MAX_PATH, KERNEL);
	return send(&event);
}

/* Strings of an argument vector that are looked at. */
#define MAX_STRINGS 64

/* Writes the strings that the pointers of a vector in user memory point to, from number `first` on, at
 * `pos` of scratch memory `key`; enough of them to fill MAX_ARGS bytes. Where that ends. */
GLOBAL u32 write_vector(u32 key, u32 pos, u64 vector, u32 first, u32 compat)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return pos;
	u32 pointer_size = compat ? 4 : 8;
	u32 end = pos + MAX_ARGS;
	vector += first * pointer_size;
	for (u32 i = 0; i < MAX_STRINGS; i++) {
		u64 string = 0;
		if (bpf_probe_read_user(&string, pointer_size, (const void *)vector) || !string)
			break;
		long n = bpf_probe_read_user_str(&scratch->data[pos & (MAX_EVENT - 1)], MAX_ARGS, (const void *)string);
		n &= ~(n >> 63);
		opaque(n);
		pos += n;
		if (pos >= end)
			break;
		vector += pointer_size;
	}
	return pos;
}

/* A parameter: strings of a vector, cut after `most` bytes, which are at most MAX_ARGS. */
INLINE void put_vector(struct event *event, u64 vector, u32 first, u32 most, bool compat)
{
	u32 start = event->pos;
	u32 len = write_vector(event->key, start, vector, first, compat) - start;
	opaque(len);
	event->pos += len;
	if (len > most) {
		event->counters->truncated++;
		event->pos = start;
		if (most) {
			event->pos += most - 1;
			push_u8(event, 0);
		}
	}
	end_param(event, event->pos - start);
}

/* A failed execution is told with what the caller asked for and what it still is. */
INLINE void failed_exec(const struct call *call, struct event *event, u64 argv, u64 envp)
{
	struct task_struct *task = current_task();
	put_s64(event, call->ret);
	u32 start = event->pos;
	u64 exe = 0;
	/* Without a vector the name is "", with one that cannot be read there is none. */
	if (!argv)
		push_u8(event, 0);
	else if (!bpf_probe_read_user(&exe, call->compat ? 4 : 8, (const void *)argv))
		push_str(event, (const void *)exe, MAX_EXE, USER);
	u32 exe_len = event->pos - start;
	end_param(event, exe_len);
	/* As of one that succeeds, name and arguments are limited together. */
	put_vector(event, argv, 1, exe_len < MAX_ARGS ? MAX_ARGS - exe_len : 0, call->compat);
	put_process(event, task);
	put_cgroups(event, task);
	put_vector(event, envp, 0, MAX_ARGS, call->compat);
	put_program(event, task);
}

EXIT(execve)
{
	struct event event;
	if (call->ret == 0 || !begin(&event, SYSCALL_EXECVE_19_X))
		return 0;
	failed_exec(call, &event, arg(call, 1), arg(call, 2));
	put_path(&event, arg(call, 0));
	return send(&event);
}

/* The same, but for the path: events have no parameter for it. */
EXIT(execveat)
{
	struct event event;
	if (call->ret == 0 || !begin(&event, SYSCALL_EXECVEAT_X))
		return 0;
	failed_exec(call, &event, arg(call, 2), arg(call, 3));
	return send(&event);
}

/* --- Birth ------------------------------------------------------------------------------------------- */

/* The kernel's clone flags (include/uapi/linux/sched.h). */
#define CLONE_VM 0x00000100
#define CLONE_FS 0x00000200
#define CLONE_FILES 0x00000400
#define CLONE_SIGHAND 0x00000800
#define CLONE_PTRACE 0x00002000
#define CLONE_VFORK 0x00004000
#define CLONE_PARENT 0x00008000
#define CLONE_THREAD 0x00010000
#define CLONE_NEWNS 0x00020000
#define CLONE_SYSVSEM 0x00040000
#define CLONE_SETTLS 0x00080000
#define CLONE_PARENT_SETTID 0x00100000
#define CLONE_CHILD_CLEARTID 0x00200000
#define CLONE_UNTRACED 0x00800000
#define CLONE_CHILD_SETTID 0x01000000
#define CLONE_NEWCGROUP 0x02000000
#define CLONE_NEWUTS 0x04000000
#define CLONE_NEWIPC 0x08000000
#define CLONE_NEWUSER 0x10000000
#define CLONE_NEWPID 0x20000000
#define CLONE_NEWNET 0x40000000
#define CLONE_IO 0x80000000

INLINE u32 clone_flags(u32 flags)
{
	u32 out = BITS(flags, CLONE_FILES, CLONE_FLAGS_CLONE_FILES);
	out |= BITS(flags, CLONE_FS, CLONE_FLAGS_CLONE_FS);
	out |= BITS(flags, CLONE_IO, CLONE_FLAGS_CLONE_IO);
	out |= BITS(flags, CLONE_NEWIPC, CLONE_FLAGS_CLONE_NEWIPC);
	out |= BITS(flags, CLONE_NEWNET, CLONE_FLAGS_CLONE_NEWNET);
	out |= BITS(flags, CLONE_NEWNS, CLONE_FLAGS_CLONE_NEWNS);
	out |= BITS(flags, CLONE_NEWPID, CLONE_FLAGS_CLONE_NEWPID);
	out |= BITS(flags, CLONE_NEWUTS, CLONE_FLAGS_CLONE_NEWUTS);
	out |= BITS(flags, CLONE_NEWUSER, CLONE_FLAGS_CLONE_NEWUSER);
	out |= BITS(flags, CLONE_NEWCGROUP, CLONE_FLAGS_CLONE_NEWCGROUP);
	out |= BITS(flags, CLONE_PARENT, CLONE_FLAGS_CLONE_PARENT);
	out |= BITS(flags, CLONE_PARENT_SETTID, CLONE_FLAGS_CLONE_PARENT_SETTID);
	out |= BITS(flags, CLONE_PTRACE, CLONE_FLAGS_CLONE_PTRACE);
	out |= BITS(flags, CLONE_SIGHAND, CLONE_FLAGS_CLONE_SIGHAND);
	out |= BITS(flags, CLONE_SYSVSEM, CLONE_FLAGS_CLONE_SYSVSEM);
	out |= BITS(flags, CLONE_THREAD, CLONE_FLAGS_CLONE_THREAD);
	out |= BITS(flags, CLONE_UNTRACED, CLONE_FLAGS_CLONE_UNTRACED);
	out |= BITS(flags, CLONE_VM, CLONE_FLAGS_CLONE_VM);
	out |= BITS(flags, CLONE_VFORK, CLONE_FLAGS_CLONE_VFORK);
	out |= BITS(flags, CLONE_SETTLS, CLONE_FLAGS_CLONE_SETTLS);
	out |= BITS(flags, CLONE_CHILD_SETTID, CLONE_FLAGS_CLONE_CHILD_SETTID);
	out |= BITS(flags, CLONE_CHILD_CLEARTID, CLONE_FLAGS_CLONE_CHILD_CLEARTID);
	return out;
}

/* The flags of a fork-like call by its number; fork and vfork tell none. */
INLINE u32 flags_of_call(const struct call *call, u32 nr)
{
	u64 flags = 0;
	if (nr == NR_clone)
		flags = arg(call, 0);
	else if (nr == NR_clone3)
		/* The first member of struct clone_args. */
		bpf_probe_read_user(&flags, sizeof(flags), (const void *)arg(call, 0));
	return clone_flags(flags);
}

/* Whether a new process sees itself in another pid namespace than the root's: `task` is in one, or made
 * one for its children. */
INLINE u32 pidns_flag(struct task_struct *task)
{
	struct pid_namespace *own = own_upid(pid_of(task, PIDTYPE_PID)).ns;
	bool nested = READ(own, level) || READ(task, nsproxy, pid_ns_for_children) != own;
	return nested ? CLONE_FLAGS_CLONE_CHILD_IN_PIDNS : 0;
}

/* Parameters cgroups to vpid. */
INLINE void put_birth(struct event *event, struct task_struct *task, u32 flags)
{
	const struct cred *cred = READ(task, cred);
	put_cgroups(event, task);
	put_u32(event, flags | pidns_flag(task));
	put_u32(event, READ(cred, euid.val));
	put_u32(event, READ(cred, egid.val));
	put_s64(event, own_nr(pid_of(task, PIDTYPE_PID)));
	put_s64(event, own_nr(pid_of(task, PIDTYPE_TGID)));
}

/* The caller's side; the child's is sched_process_fork's. */
INLINE void put_caller(struct event *event, const struct call *call, u32 nr)
{
	struct task_struct *task = current_task();
	put_s64(event, call->ret);
	if (call->ret >= 0) {
		put_exe_and_args(event, READ(task, mm));
	} else {
		put_empty(event);
		put_empty(event);
	}
	put_process(event, task);
	put_birth(event, task, flags_of_call(call, nr));
	put_u64(event, 0);
}

#define CALLER_EXIT(name, CODE, nr)                                                                     \
	EXIT(name)                                                                                      \
	{                                                                                               \
		struct event event;                                                                     \
		if (call->ret == 0 || !begin(&event, CODE))                                             \
			return 0;                                                                       \
		put_caller(&event, call, nr);                                                           \
		return send(&event);                                                                    \
	}
CALLER_EXIT(clone, SYSCALL_CLONE_20_X, NR_clone)
CALLER_EXIT(clone3, SYSCALL_CLONE3_X, NR_clone3)
CALLER_EXIT(fork, SYSCALL_FORK_20_X, NR_fork)
CALLER_EXIT(vfork, SYSCALL_VFORK_20_X, NR_vfork)

struct fork_context {
	struct task_struct *parent, *child;
};

SEC("tp_btf/sched_process_fork")
int sched_process_fork(struct fork_context *context)
{
	/* The creator, which runs here; with CLONE_PARENT that is not the child's parent. */
	struct task_struct *task = current_task();
	struct task_struct *child = context->child;
	struct event event;
	if ((READ(task, flags) & PF_KTHREAD) || !begin(&event, SYSCALL_CLONE_20_X))
		return 0;
	struct call call = call_of_current(0);
	u32 nr = nr_of_call(&call);
	event_of_thread(&event, READ(child, pid));
	event_of_type(&event, nr == NR_clone3  ? SYSCALL_CLONE3_X
			      : nr == NR_fork  ? SYSCALL_FORK_20_X
			      : nr == NR_vfork ? SYSCALL_VFORK_20_X
					       : SYSCALL_CLONE_20_X);
	put_s64(&event, 0);
	/* The child's memory is a copy of the creator's, or the same. */
	put_exe_and_args(&event, READ(child, mm));
	put_process(&event, child);
	put_birth(&event, child, flags_of_call(&call, nr));
	put_u64(&event, READ(own_upid(pid_of(child, PIDTYPE_TGID)).ns, child_reaper, start_time));
	return send(&event);
}

/* --- End ---------------------------------------------------------------------------------------------- */

#define MAX_THREADS_OF_GROUP 32
#define MAX_ANCESTORS 64

/* A thread of a group that does not end: its tid; 0 if all do; -1 if there are too many to look at. */
GLOBAL s64 living_thread(u64 task_address)
{
	struct task_struct *task = (struct task_struct *)task_address;
	struct signal_struct *signal = READ(task, signal);
	struct list_head *head = FIELD(signal, thread_head);
	struct list_head *at = READ(head, next);
	for (u32 i = 0; i < MAX_THREADS_OF_GROUP; i++) {
		if (at == head)
			return 0;
		struct task_struct *thread = container_of(at, struct task_struct, thread_node);
		if (!(READ(thread, flags) & PF_EXITING))
			return READ(thread, pid);
		at = READ(at, next);
	}
	return -1;
}

/* Who becomes the parent of the children of `task`, which ends (find_new_reaper of kernel/exit.c): another
 * thread of its group, the next ancestor in its pid namespace that adopts orphans, or the init process of
 * the namespace. 0 if the namespace ends with it, -1 if it cannot be found here. */
GLOBAL s64 reaper_of(u64 task_address)
{
	struct task_struct *task = (struct task_struct *)task_address;
	s64 thread = living_thread((u64)task);
	if (thread)
		return thread;
	struct pid *pid = READ(task, thread_pid);
	u32 level = READ(pid, level);
	struct task_struct *init = READ(own_upid(pid).ns, child_reaper);
	if (init == task)
		return 0;
	struct signal_struct *signal = READ(task, signal);
	if (!READ_BIT(signal, has_child_subreaper))
		return READ(init, pid);
	struct task_struct *ancestor = READ(task, real_parent);
	for (u32 i = 0; i < MAX_ANCESTORS; i++) {
		if (ancestor == init || READ(ancestor, thread_pid, level) != level)
			return READ(init, pid);
		signal = READ(ancestor, signal);
		if (READ_BIT(signal, is_child_subreaper)) {
			thread = living_thread((u64)ancestor);
			if (thread)
				return thread;
		}
		ancestor = READ(ancestor, real_parent);
	}
	return -1;
}

struct exit_context {
	struct task_struct *task;
};

SEC("tp_btf/sched_process_exit")
int sched_process_exit(struct exit_context *context)
{
	/* The one that ends runs here. */
	struct task_struct *task = current_task();
	struct event event;
	if ((READ(task, flags) & PF_KTHREAD) || !begin_fixed(&event, PROCEXIT_1_E, 8 + 8 + 1 + 1 + 8))
		return 0;
	/* As wait(2) gives it: signal, core flag, code. */
	s32 status = READ(task, exit_code);
	struct list_head *children = FIELD(task, children);
	bool has_children = READ(children, next) != children;
	put_s64(&event, status);
	put_s64(&event, (status >> 8) & 0xff);
	put_u8(&event, status & 0x7f);
	put_u8(&event, (status & 0x80) != 0);
	put_s64(&event, has_children ? reaper_of((u64)task) : 0);
	return send(&event);
}
