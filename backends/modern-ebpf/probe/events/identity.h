/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a process is: users, groups, capabilities, sessions, namespaces, names and limits.
 */
#pragma once

#include "../params/flags.h"
#include "../params/task.h"
#include "process.h"
#include "words.h"

/* --- Users and groups -------------------------------------------------------------------------------------- */

FIXED_EXIT(setuid, SYSCALL_SETUID_X, 12, RESULT ARG_U32(0))
FIXED_EXIT(setgid, SYSCALL_SETGID_X, 12, RESULT ARG_U32(0))
FIXED_EXIT(setreuid, SYSCALL_SETREUID_X, 16, RESULT ARG_U32(0) ARG_U32(1))
FIXED_EXIT(setregid, SYSCALL_SETREGID_X, 16, RESULT ARG_U32(0) ARG_U32(1))
FIXED_EXIT(setresuid, SYSCALL_SETRESUID_X, 20, RESULT ARG_U32(0) ARG_U32(1) ARG_U32(2))
FIXED_EXIT(setresgid, SYSCALL_SETRESGID_X, 20, RESULT ARG_U32(0) ARG_U32(1) ARG_U32(2))
FIXED_EXIT(getuid, SYSCALL_GETUID_X, 4, U32(call->ret))
FIXED_EXIT(geteuid, SYSCALL_GETEUID_X, 4, U32(call->ret))
FIXED_EXIT(getgid, SYSCALL_GETGID_X, 4, U32(call->ret))
FIXED_EXIT(getegid, SYSCALL_GETEGID_X, 4, U32(call->ret))

/* An id that an argument points to. */
INLINE u32 id_at(const struct call *call, u32 n)
{
	u32 id = 0;
	bpf_probe_read_user(&id, sizeof(id), (const void *)arg(call, n));
	return id;
}

FIXED_EXIT(getresuid, SYSCALL_GETRESUID_X, 20, RESULT U32(id_at(call, 0)) U32(id_at(call, 1)) U32(id_at(call, 2)))
FIXED_EXIT(getresgid, SYSCALL_GETRESGID_X, 20, RESULT U32(id_at(call, 0)) U32(id_at(call, 1)) U32(id_at(call, 2)))

/* What the process has after the call. */
EXIT(capset)
{
	struct event event;
	if (!begin_fixed(&event, SYSCALL_CAPSET_X, 8 + 3 * 8))
		return 0;
	const struct cred *cred = READ(current_task(), cred);
	put_s64(&event, call->ret);
	put_u64(&event, capabilities(READ(cred, cap_inheritable)));
	put_u64(&event, capabilities(READ(cred, cap_permitted)));
	put_u64(&event, capabilities(READ(cred, cap_effective)));
	return send(&event);
}

/* --- Sessions and namespaces --------------------------------------------------------------------------------- */

FIXED_EXIT(setsid, SYSCALL_SETSID_X, 8, RESULT)
FIXED_EXIT(setpgid, SYSCALL_SETPGID_X, 24, RESULT PID(0) PID(1))
FIXED_EXIT(setns, SYSCALL_SETNS_X, 20, RESULT FD(0) U32(clone_flags(arg_u32(call, 1))))
FIXED_EXIT(unshare, SYSCALL_UNSHARE_X, 12, RESULT U32(clone_flags(arg_u32(call, 0))))

/* --- prctl, seccomp -------------------------------------------------------------------------------------------- */

#define PR_SET_NAME 15
#define PR_GET_NAME 16
#define PR_GET_CHILD_SUBREAPER 37

EXIT(prctl)
{
	struct event event;
	if (!begin(&event, SYSCALL_PRCTL_X))
		return 0;
	u32 option = arg_u32(call, 0);
	u64 value = arg(call, 1);
	bool is_name = option == PR_SET_NAME || option == PR_GET_NAME;
	if (option == PR_GET_CHILD_SUBREAPER) {
		u32 is_subreaper = 0;
		bpf_probe_read_user(&is_subreaper, sizeof(is_subreaper), (const void *)value);
		value = is_subreaper;
	}
	put_s64(&event, call->ret);
	put_u32(&event, option);
	put_path(&event, is_name ? value : 0);
	put_s64(&event, is_name ? 0 : value);
	return send(&event);
}

FIXED_EXIT(seccomp, SYSCALL_SECCOMP_X, 24, RESULT ARG_U64(0) U64(arg_u32(call, 1)))

/* --- Limits ------------------------------------------------------------------------------------------------------ */

/* A limit in user memory, as the caller's ABI has it for getrlimit and setrlimit. */
INLINE struct rlimit rlimit_at(const struct call *call, u32 n)
{
	struct rlimit limit = {};
	if (call->compat) {
		u32 pair[2] = {};
		bpf_probe_read_user(pair, sizeof(pair), (const void *)arg(call, n));
		limit.rlim_cur = pair[0];
		limit.rlim_max = pair[1];
	} else {
		bpf_probe_read_user(&limit, sizeof(limit), (const void *)arg(call, n));
	}
	return limit;
}

/* A limit in user memory as prlimit64 has it for all callers. */
INLINE struct rlimit rlimit64_at(const struct call *call, u32 n)
{
	struct rlimit limit = {};
	bpf_probe_read_user(&limit, sizeof(limit), (const void *)arg(call, n));
	return limit;
}

/* Resources have the kernel's numbers (include/uapi/asm-generic/resource.h). */
INLINE u8 resource(u32 resource)
{
	return resource <= 15 ? resource : RLIMIT_RESOURCES_RLIMIT_UNKNOWN;
}

FIXED_EXIT(setrlimit, SYSCALL_SETRLIMIT_X, 25,
	   struct rlimit limit = rlimit_at(call, 1);
	   RESULT S64(limit.rlim_cur) S64(limit.rlim_max) U8(resource(arg_u32(call, 0))))
FIXED_EXIT(getrlimit, SYSCALL_GETRLIMIT_X, 25,
	   struct rlimit limit = rlimit_at(call, 1);
	   RESULT S64(call->ret == 0 ? limit.rlim_cur : -1) S64(call->ret == 0 ? limit.rlim_max : -1)
	   U8(resource(arg_u32(call, 0))))
FIXED_EXIT(prlimit64, SYSCALL_PRLIMIT_X, 49,
	   struct rlimit new = rlimit64_at(call, 2);
	   struct rlimit old = rlimit64_at(call, 3);
	   RESULT S64(new.rlim_cur) S64(new.rlim_max) S64(call->ret == 0 ? old.rlim_cur : -1)
	   S64(call->ret == 0 ? old.rlim_max : -1) PID(0) U8(resource(arg_u32(call, 1))))
