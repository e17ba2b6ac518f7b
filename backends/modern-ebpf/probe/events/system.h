/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system itself: modules, BPF, keys, quotas, semaphores.
 */
#pragma once

#include "../params/flags.h"
#include "words.h"

/* --- Modules, BPF --------------------------------------------------------------------------------------------------- */

EXIT(init_module)
{
	struct event event;
	if (!begin(&event, SYSCALL_INIT_MODULE_X))
		return 0;
	u64 length = arg(call, 1);
	struct settings *settings = settings_get();
	u32 snaplen = settings ? settings->snaplen : 0;
	put_s64(&event, call->ret);
	put_bytes(&event, (const void *)arg(call, 0), length < snaplen ? length : snaplen, USER);
	put_u64(&event, length);
	put_path(&event, arg(call, 2));
	return send(&event);
}

EXIT_OF(finit_module, SYSCALL_FINIT_MODULE_X, RESULT FD(0) PATH(1) U32(arg_u32(call, 2) & 7))
/* O_NONBLOCK and O_TRUNC, by other names. */
EXIT_OF(delete_module, SYSCALL_DELETE_MODULE_X,
	RESULT PATH(0)
	U32(BITS(arg_u32(call, 1), O_NONBLOCK, DELETE_MODULE_FLAGS_O_NONBLOCK) |
	    BITS(arg_u32(call, 1), O_TRUNC, DELETE_MODULE_FLAGS_O_TRUNC)))
FIXED_EXIT(bpf, SYSCALL_BPF_2_X, 12, RESULT ARG_U32(0))

/* --- Keys ------------------------------------------------------------------------------------------------------------ */

/* What the arguments behind the operation are (security/keys/keyctl.c). */
enum key_arg { NO_KEY_ARG, KEY_NUMBER, KEY_TEXT };

/* How a dynamic parameter begins (PPM_KEYCTL_IDX_* of libscap). */
enum { KEYCTL_AS_S64, KEYCTL_AS_TEXT };

/* Four of them, two bits each, arg2 in the lowest. */
#define KEY_ARGS(arg2, arg3, arg4, arg5) ((arg2) | (arg3) << 2 | (arg4) << 4 | (arg5) << 6)

INLINE u32 key_args(u32 operation)
{
	enum { _ = NO_KEY_ARG, N = KEY_NUMBER, T = KEY_TEXT };
	static const volatile u8 by_operation[] = {
		KEY_ARGS(N, N, _, _), /* GET_KEYRING_ID */
		KEY_ARGS(T, _, _, _), /* JOIN_SESSION_KEYRING */
		KEY_ARGS(N, N, N, _), /* UPDATE */
		KEY_ARGS(N, _, _, _), /* REVOKE */
		KEY_ARGS(N, N, N, _), /* CHOWN */
		KEY_ARGS(N, N, _, _), /* SETPERM */
		KEY_ARGS(N, N, N, _), /* DESCRIBE */
		KEY_ARGS(N, _, _, _), /* CLEAR */
		KEY_ARGS(N, N, _, _), /* LINK */
		KEY_ARGS(N, N, _, _), /* UNLINK */
		KEY_ARGS(N, T, T, N), /* SEARCH */
		KEY_ARGS(N, N, N, _), /* READ */
		KEY_ARGS(N, N, N, N), /* INSTANTIATE */
		KEY_ARGS(N, N, N, _), /* NEGATE */
		KEY_ARGS(N, _, _, _), /* SET_REQKEY_KEYRING */
		KEY_ARGS(N, N, _, _), /* SET_TIMEOUT */
		KEY_ARGS(N, _, _, _), /* ASSUME_AUTHORITY */
		KEY_ARGS(N, N, N, _), /* GET_SECURITY */
		KEY_ARGS(_, _, _, _), /* SESSION_TO_PARENT */
		KEY_ARGS(N, N, N, N), /* REJECT */
		KEY_ARGS(N, N, N, N), /* INSTANTIATE_IOV */
		KEY_ARGS(N, _, _, _), /* INVALIDATE */
		KEY_ARGS(N, N, _, _), /* GET_PERSISTENT */
		KEY_ARGS(N, N, N, N), /* DH_COMPUTE */
		KEY_ARGS(N, N, T, _), /* PKEY_QUERY */
		KEY_ARGS(N, T, N, N), /* PKEY_ENCRYPT */
		KEY_ARGS(N, T, N, N), /* PKEY_DECRYPT */
		KEY_ARGS(N, T, N, N), /* PKEY_SIGN */
		KEY_ARGS(N, T, N, N), /* PKEY_VERIFY */
		KEY_ARGS(N, T, T, _), /* RESTRICT_KEYRING */
		KEY_ARGS(N, N, N, N), /* MOVE */
		KEY_ARGS(N, N, _, _), /* CAPABILITIES */
		KEY_ARGS(N, N, N, _), /* WATCH_KEY */
	};
	return operation < sizeof(by_operation) ? by_operation[operation] : 0;
}

/* A dynamic parameter: a number (0 if there is no such argument) or a text. */
INLINE void put_key_arg(struct event *event, u32 kind, u64 value)
{
	u32 start = event->pos;
	bool is_text = (kind & 3) == KEY_TEXT;
	push_u8(event, is_text ? KEYCTL_AS_TEXT : KEYCTL_AS_S64);
	if (is_text)
		push_str(event, (const void *)value, MAX_PATH, USER);
	else
		push_u64(event, kind & 3 ? value : 0);
	end_param(event, event->pos - start);
}

EXIT(keyctl)
{
	struct event event;
	if (!begin(&event, SYSCALL_KEYCTL_X))
		return 0;
	u32 operation = arg_u32(call, 0);
	u32 kinds = key_args(operation);
	opaque(kinds);
	put_s64(&event, call->ret);
	put_u32(&event, operation);
	put_key_arg(&event, kinds, arg(call, 1));
	put_key_arg(&event, kinds >> 2, arg(call, 2));
	put_key_arg(&event, kinds >> 4, arg(call, 3));
	put_key_arg(&event, kinds >> 6, arg(call, 4));
	return send(&event);
}

/* --- Quotas ----------------------------------------------------------------------------------------------------------- */

/* include/uapi/linux/quota.h */
struct if_dqblk {
	u64 bhardlimit, bsoftlimit, curspace, ihardlimit, isoftlimit, curinodes, btime, itime;
	u32 valid;
};

struct if_dqinfo {
	u64 bgrace, igrace;
	u32 flags, valid;
};

#define QIF_BLIMITS 1
#define QIF_SPACE 2
#define QIF_ILIMITS 4
#define QIF_BTIME 16
#define QIF_ITIME 32
#define IIF_BGRACE 1
#define IIF_IGRACE 2
#define IIF_FLAGS 4

/* Commands in events by the kernel's: those from Q_SYNC, 0x800001, and XFS' from Q_XQUOTAON, 'X' << 8 | 1. */
INLINE u16 quota_command(u32 command)
{
	static const volatile u16 generic[] = {
		QUOTACTL_CMDS_Q_SYNC,	  QUOTACTL_CMDS_Q_QUOTAON, QUOTACTL_CMDS_Q_QUOTAOFF,
		QUOTACTL_CMDS_Q_GETFMT,	  QUOTACTL_CMDS_Q_GETINFO, QUOTACTL_CMDS_Q_SETINFO,
		QUOTACTL_CMDS_Q_GETQUOTA, QUOTACTL_CMDS_Q_SETQUOTA,
	};
	static const volatile u16 xfs[] = {
		QUOTACTL_CMDS_Q_XQUOTAON,  QUOTACTL_CMDS_Q_XQUOTAOFF, QUOTACTL_CMDS_Q_XGETQUOTA,
		QUOTACTL_CMDS_Q_XSETQLIM,  QUOTACTL_CMDS_Q_XGETQSTAT, QUOTACTL_CMDS_Q_XQUOTARM,
		QUOTACTL_CMDS_Q_XQUOTASYNC,
	};
	/* The type is in the low byte. */
	u32 number = command >> 8;
	if (number - 0x800001 < 8)
		return generic[number - 0x800001];
	if (number - ('X' << 8 | 1) < 7)
		return xfs[number - ('X' << 8 | 1)];
	return 0;
}

INLINE u8 quota_format(u32 format)
{
	return format == 1   ? QUOTACTL_QUOTA_FMTS_QFMT_VFS_OLD
	       : format == 2 ? QUOTACTL_QUOTA_FMTS_QFMT_VFS_V0
	       : format == 4 ? QUOTACTL_QUOTA_FMTS_QFMT_VFS_V1
			     : QUOTACTL_QUOTA_FMTS_QFMT_NOT_USED;
}

EXIT(quotactl)
{
	struct event event;
	if (!begin(&event, SYSCALL_QUOTACTL_X))
		return 0;
	u32 raw = arg_u32(call, 0), id = arg_u32(call, 2), type = raw & 0xff;
	u32 command = quota_command(raw);
	const void *address = (const void *)arg(call, 3);
	bool quota = command == QUOTACTL_CMDS_Q_GETQUOTA || command == QUOTACTL_CMDS_Q_SETQUOTA;
	bool xfs_quota = command == QUOTACTL_CMDS_Q_XGETQUOTA || command == QUOTACTL_CMDS_Q_XSETQLIM;
	struct if_dqblk block = {};
	if (quota)
		bpf_probe_read_user(&block, sizeof(block), address);
	struct if_dqinfo info = {};
	if (command == QUOTACTL_CMDS_Q_GETINFO || command == QUOTACTL_CMDS_Q_SETINFO)
		bpf_probe_read_user(&info, sizeof(info), address);
	u32 format = 0;
	if (command == QUOTACTL_CMDS_Q_GETFMT)
		bpf_probe_read_user(&format, sizeof(format), address);

	put_s64(&event, call->ret);
	put_path(&event, arg(call, 1));
	put_path(&event, command == QUOTACTL_CMDS_Q_QUOTAON ? (u64)address : 0);
	put_u64(&event, block.valid & QIF_BLIMITS ? block.bhardlimit : 0);
	put_u64(&event, block.valid & QIF_BLIMITS ? block.bsoftlimit : 0);
	put_u64(&event, block.valid & QIF_SPACE ? block.curspace : 0);
	put_u64(&event, block.valid & QIF_ILIMITS ? block.ihardlimit : 0);
	put_u64(&event, block.valid & QIF_ILIMITS ? block.isoftlimit : 0);
	put_u64(&event, block.valid & QIF_BTIME ? block.btime : 0);
	put_u64(&event, block.valid & QIF_ITIME ? block.itime : 0);
	put_u64(&event, info.valid & IIF_BGRACE ? info.bgrace : 0);
	put_u64(&event, info.valid & IIF_IGRACE ? info.igrace : 0);
	put_u8(&event, info.valid & IIF_FLAGS ? info.flags : 0);
	put_u8(&event, quota_format(format));
	put_u16(&event, command);
	put_u8(&event, type == 0 ? QUOTACTL_TYPES_USRQUOTA : type == 1 ? QUOTACTL_TYPES_GRPQUOTA : 0);
	put_u32(&event, quota || xfs_quota ? id : 0);
	put_u8(&event, quota_format(command == QUOTACTL_CMDS_Q_QUOTAON ? id : 0));
	return send(&event);
}

/* --- Semaphores ---------------------------------------------------------------------------------------------------------- */

struct sembuf {
	u16 num;
	s16 op;
	u16 flags;
};

INLINE u16 semop_flags(u32 flags)
{
	return BITS(flags, 04000, SEMOP_FLAGS_IPC_NOWAIT) | BITS(flags, 0x1000, SEMOP_FLAGS_SEM_UNDO);
}

EXIT(semop)
{
	struct event event;
	if (!begin_fixed(&event, SYSCALL_SEMOP_X, 8 + 4 + 6 * 2 + 4))
		return 0;
	u32 count = arg_u32(call, 2);
	const void *from = (const void *)arg(call, 1);
	struct sembuf first = {}, second = {};
	if (call->ret == 0 && count > 0)
		bpf_probe_read_user(&first, sizeof(first), from);
	if (call->ret == 0 && count > 1)
		bpf_probe_read_user(&second, sizeof(second), from + sizeof(first));
	put_s64(&event, call->ret);
	put_u32(&event, count);
	put_u16(&event, first.num);
	put_s16(&event, first.op);
	put_u16(&event, semop_flags(first.flags));
	put_u16(&event, second.num);
	put_s16(&event, second.op);
	put_u16(&event, semop_flags(second.flags));
	put_s32(&event, arg_s32(call, 0));
	return send(&event);
}

/* The kernel's commands (include/uapi/linux/ipc.h, sem.h); 32-bit callers add IPC_64, 0x100. */
INLINE u16 semctl_command(u32 command)
{
	static const volatile u16 commands[] = {
		SEMCTL_COMMANDS_IPC_RMID, SEMCTL_COMMANDS_IPC_SET,  SEMCTL_COMMANDS_IPC_STAT, SEMCTL_COMMANDS_IPC_INFO,
		0,			  0,			    0,			      0,
		0,			  0,			    0,			      SEMCTL_COMMANDS_GETPID,
		SEMCTL_COMMANDS_GETVAL,	  SEMCTL_COMMANDS_GETALL,   SEMCTL_COMMANDS_GETNCNT,  SEMCTL_COMMANDS_GETZCNT,
		SEMCTL_COMMANDS_SETVAL,	  SEMCTL_COMMANDS_SETALL,   SEMCTL_COMMANDS_SEM_STAT, SEMCTL_COMMANDS_SEM_INFO,
	};
	return command < sizeof(commands) / sizeof(commands[0]) ? commands[command] : 0;
}

#define SETVAL 16

FIXED_EXIT(semctl, SYSCALL_SEMCTL_X, 22,
	   RESULT ARG_S32(0) ARG_S32(1) U16(semctl_command(arg_u32(call, 2) & ~0x100))
	   put_s32(&event, (arg_u32(call, 2) & ~0x100) == SETVAL ? arg_s32(call, 3) : 0);)
FIXED_EXIT(semget, SYSCALL_SEMGET_X, 20,
	   RESULT ARG_S32(0) ARG_S32(1)
	   U32(BITS(arg_u32(call, 2), 01000, SEMGET_FLAGS_IPC_CREAT) |
	       BITS(arg_u32(call, 2), 02000, SEMGET_FLAGS_IPC_EXCL)))
