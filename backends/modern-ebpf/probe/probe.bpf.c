/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe: BPF programs that turn what the kernel does into scap events.
 *
 *   bpf.h        types, helpers, maps and CO-RE reads
 *   shared.h     what user space and probe agree on
 *   maps.h       rings, tables and counters
 *   kernel/      the parts of kernel structures that are read
 *   event.h      building an event
 *   call.h       system calls: arguments, and the words EXIT and ENTER that define programs
 *   dispatch.h   from the tracepoints of all calls to the program of one
 *   params/      values that several events tell
 *   events/      the events, by theme; one program for each system call
 *
 * It is compiled twice: for the tracepoints of all system calls, and (PER_SYSCALL) for the functions of
 * single ones. Each program is loaded by itself, so that one that a kernel refuses costs its event only.
 */
#include "generated.h"

#include "dispatch.h"
#include "events/fd.h"
#include "events/file.h"
#include "events/generic.h"
#include "events/identity.h"
#include "events/io.h"
#include "events/memory.h"
#include "events/message.h"
#include "events/open.h"
#include "events/poll.h"
#include "events/process.h"
#include "events/signal.h"
#include "events/socket.h"
#include "events/system.h"

/* Helpers that read memory are for programs with this licence (kernel/bpf/verifier.c). */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
