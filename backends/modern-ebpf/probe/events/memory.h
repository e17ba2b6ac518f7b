/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: mappings, protection, locks, page faults.
 */
#pragma once

#include "../params/flags.h"
#include "../params/task.h"
#include "words.h"

/* Parameters vm_size, vm_rss and vm_swap of the current process. */
#define MEMORY put_memory(&event, READ(current_task(), mm));

/* The kernel's bits (include/uapi/asm-generic/mman-common.h). */
INLINE u32 prot_flags(u32 prot)
{
	return (prot & 0xf) | BITS(prot, 0x01000000, PROT_FLAGS_PROT_GROWSDOWN) |
	       BITS(prot, 0x02000000, PROT_FLAGS_PROT_GROWSUP);
}

INLINE u32 mmap_flags(u32 flags)
{
	u32 out = flags & 3;
	out |= BITS(flags, 0x10, MMAP_FLAGS_MAP_FIXED);
	out |= BITS(flags, 0x20, MMAP_FLAGS_MAP_ANONYMOUS);
	out |= BITS(flags, 0x40, MMAP_FLAGS_MAP_32BIT);
	out |= BITS(flags, 0x100, MMAP_FLAGS_MAP_GROWSDOWN);
	out |= BITS(flags, 0x800, MMAP_FLAGS_MAP_DENYWRITE);
	out |= BITS(flags, 0x1000, MMAP_FLAGS_MAP_EXECUTABLE);
	out |= BITS(flags, 0x2000, MMAP_FLAGS_MAP_LOCKED);
	out |= BITS(flags, 0x4000, MMAP_FLAGS_MAP_NORESERVE);
	out |= BITS(flags, 0x8000, MMAP_FLAGS_MAP_POPULATE);
	out |= BITS(flags, 0x10000, MMAP_FLAGS_MAP_NONBLOCK);
	return out;
}

FIXED_EXIT(brk, SYSCALL_BRK_4_X, 28, U64(call->ret) MEMORY ARG_U64(0))
FIXED_EXIT(mmap, SYSCALL_MMAP_X, 60,
	   RESULT MEMORY ARG_U64(0) ARG_U64(1) U32(prot_flags(arg_u32(call, 2)))
	   U32(mmap_flags(arg_u32(call, 3))) FD(4) ARG_U64(5))
FIXED_EXIT(munmap, SYSCALL_MUNMAP_X, 36, RESULT MEMORY ARG_U64(0) ARG_U64(1))
FIXED_EXIT(mprotect, SYSCALL_MPROTECT_X, 28, RESULT ARG_U64(0) ARG_U64(1) U32(prot_flags(arg_u32(call, 2))))
FIXED_EXIT(mlock, SYSCALL_MLOCK_X, 24, RESULT ARG_U64(0) ARG_U64(1))
FIXED_EXIT(mlock2, SYSCALL_MLOCK2_X, 28, RESULT ARG_U64(0) ARG_U64(1) U32(arg_u32(call, 2) & 1))
FIXED_EXIT(munlock, SYSCALL_MUNLOCK_X, 24, RESULT ARG_U64(0) ARG_U64(1))
FIXED_EXIT(mlockall, SYSCALL_MLOCKALL_X, 12, RESULT U32(arg_u32(call, 0) & 7))
FIXED_EXIT(munlockall, SYSCALL_MUNLOCKALL_X, 8, RESULT)

/* --- Page faults --------------------------------------------------------------------------------------------- */

struct page_fault_context {
	u64 address;
	const struct pt_regs *regs;
	u64 error_code;
};

/* The processor's error bits, each told as one of two (arch/x86/include/asm/trap_pf.h). */
INLINE u32 fault_flags(u32 code)
{
	return (code & 1 ? PF_FLAGS_PROTECTION_VIOLATION : PF_FLAGS_PAGE_NOT_PRESENT) |
	       (code & 2 ? PF_FLAGS_WRITE_ACCESS : PF_FLAGS_READ_ACCESS) |
	       (code & 4 ? PF_FLAGS_USER_FAULT : PF_FLAGS_SUPERVISOR_FAULT) |
	       BITS(code, 8, PF_FLAGS_RESERVED_PAGE) | BITS(code, 16, PF_FLAGS_INSTRUCTION_FETCH);
}

INLINE int page_fault(struct page_fault_context *context)
{
	struct event event;
	if (!begin_fixed(&event, PAGE_FAULT_E, 20))
		return 0;
	put_u64(&event, context->address);
	put_u64(&event, READ(context->regs, ip));
	put_u32(&event, fault_flags(context->error_code));
	return send(&event);
}

SEC("tp_btf/page_fault_user")
int page_fault_user(struct page_fault_context *context)
{
	return page_fault(context);
}

SEC("tp_btf/page_fault_kernel")
int page_fault_kernel(struct page_fault_context *context)
{
	return page_fault(context);
}
