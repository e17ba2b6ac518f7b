/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language of the probe: plain types, the kernel's BPF helpers, map declarations and CO-RE reads.
 *
 * Everything here is a fact of the BPF user interface (include/uapi/linux/bpf.h) or a thin word for a
 * compiler builtin; nothing knows events or system calls.
 */
#pragma once

struct task_struct;

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef _Bool bool;

#define true 1
#define false 0
#define NULL ((void *)0)

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
/* A function that the verifier checks once and by itself, whoever calls it: what loops inside does not
 * multiply with what callers do. Before 5.13 it can take only numbers, so pointers are passed as u64. */
#define GLOBAL __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Stops clang from reasoning about a value that the verifier has to see checked: without it a mask or a
 * comparison that clang thinks needless disappears, and the verifier refuses the access after it. */
#define opaque(x) asm volatile("" : "+r"(x))

/* --- Helpers: `enum bpf_func_id` ------------------------------------------------------------------ */

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static long (*bpf_tail_call)(void *ctx, void *map, u32 index) = (void *)12;
static u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*bpf_get_current_task)(void) = (void *)35;
static long (*bpf_probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*bpf_probe_read_user_str)(void *to, u32 size, const void *from) = (void *)114;
static long (*bpf_probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*bpf_ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static void *(*bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;
static void (*bpf_ringbuf_discard)(void *data, u64 flags) = (void *)133;

static struct task_struct *(*bpf_get_current_task_btf)(void) = (void *)158;
static long (*bpf_task_pt_regs)(struct task_struct *task) = (void *)175;

/* Helpers that not all kernels have; only whether they exist is asked. */
enum bpf_func_id {
	BPF_FUNC_get_current_task_btf = 158,
	BPF_FUNC_task_pt_regs = 175,
};

/* User space looks at the rings by itself, so that no producer pays for waking it. */
#define BPF_RB_NO_WAKEUP 1

/* --- Maps: `enum bpf_map_type`, described in BTF --------------------------------------------------- */

#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PROG_ARRAY 3
#define BPF_MAP_TYPE_ARRAY_OF_MAPS 12
#define BPF_MAP_TYPE_RINGBUF 27

#define MAP_UINT(name, value) int(*name)[value]
#define MAP_TYPE(name, type) typeof(type) *name
#define MAP_VALUES(type) typeof(type) *values[]

/* --- CO-RE: reads that follow the running kernel's layout ------------------------------------------ */

/* On a struct: offsets are those of the running kernel. */
#define KERNEL_LAYOUT __attribute__((preserve_access_index))

/* The address of a field; for arrays and nested structs. */
#define FIELD(object, field) (&(object)->field)

#define READ1(object, a)                                                                                \
	({                                                                                              \
		typeof((object)->a) value_;                                                             \
		bpf_probe_read_kernel((void *)&value_, sizeof(value_), FIELD(object, a));                       \
		value_;                                                                                 \
	})
#define READ2(object, a, b) READ1(READ1(object, a), b)
#define READ3(object, a, b, c) READ1(READ2(object, a, b), c)
#define READ4(object, a, b, c, d) READ1(READ3(object, a, b, c), d)
#define READ5(object, a, b, c, d, e) READ1(READ4(object, a, b, c, d), e)
#define READ_N(_1, _2, _3, _4, _5, name, ...) name

/* READ(file, f_path.dentry, d_parent) follows pointers: file->f_path.dentry->d_parent. What cannot be
 * read is zero. */
#define READ(object, ...)                                                                               \
	READ_N(__VA_ARGS__, READ5, READ4, READ3, READ2, READ1)(object, __VA_ARGS__)

/* An element of an array in memory. */
#define READ_AT(array, index)                                                                           \
	({                                                                                              \
		typeof(*(array)) value_;                                                                \
		bpf_probe_read_kernel((void *)&value_, sizeof(value_), &(array)[index]);                \
		value_;                                                                                 \
	})

/* An element of a field that is an array. The index takes no part in relocation, so that it can be a
 * variable, and beyond what this build knows. */
#define READ_ELEMENT(object, field, index)                                                              \
	READ_AT((typeof(&(object)->field[0]))FIELD(object, field), index)

/* Where a field is (`BPF_FIELD_BYTE_OFFSET` is 0). */
#define OFFSET(type, field) __builtin_preserve_field_info(((type *)0)->field, 0)

/* Room for the first bytes of a struct, and a field of it: one call of a helper for several fields. */
#define FIRST_BYTES(name, size) u8 name[size] __attribute__((aligned(8)))
#define HAS_FIRST(bytes, type, field) (OFFSET(type, field) + sizeof(((type *)0)->field) <= sizeof(bytes))
/* Zero if the running kernel has the field behind them. */
#define PICK(bytes, type, field)                                                                        \
	({                                                                                              \
		typeof(((type *)0)->field) value_ = 0;                                                  \
		if (HAS_FIRST(bytes, type, field))                                                      \
			value_ = *(typeof(value_) *)((bytes) + OFFSET(type, field));                    \
		value_;                                                                                 \
	})
/* Read from the object if the running kernel has the field behind them. */
#define PICK_OR_READ(bytes, object, field)                                                              \
	(HAS_FIRST(bytes, typeof(*(object)), field) ? PICK(bytes, typeof(*(object)), field)             \
						    : READ(object, field))

/* Whether the running kernel has a field (`BPF_FIELD_EXISTS` is 2). */
#define HAS_FIELD(type, field) __builtin_preserve_field_info(((type *)0)->field, 2)
/* The size of a type on the running kernel (`BPF_TYPE_SIZE` is 1). */
#define KERNEL_SIZE(type) __builtin_preserve_type_info(*(typeof(type) *)0, 1)
/* Whether an enum has a value (`BPF_ENUMVAL_EXISTS` is 0), and which (`BPF_ENUMVAL_VALUE` is 1). */
#define HAS_ENUM(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, 0)
#define ENUM(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, 1)

/* A one-bit field, wherever the running kernel has put it (field info: byte offset 0, size 1,
 * left shift 4, right shift 5). */
#define READ_BIT(object, field)                                                                         \
	({                                                                                              \
		u64 value_ = 0;                                                                         \
		u32 size_ = __builtin_preserve_field_info((object)->field, 1);                          \
		bpf_probe_read_kernel(&value_, size_ & 8 ? 8 : size_ & 4 ? 4 : size_ & 2 ? 2 : 1,       \
				      (const u8 *)(object) +                                            \
					      __builtin_preserve_field_info((object)->field, 0));       \
		value_ <<= __builtin_preserve_field_info((object)->field, 4);                           \
		value_ >>= __builtin_preserve_field_info((object)->field, 5);                           \
		value_ != 0;                                                                            \
	})

#define container_of(pointer, type, member)                                                             \
	((type *)((u8 *)(pointer) - __builtin_preserve_field_info(((type *)0)->member, 0)))
