//! System calls as each kind of program makes them, told as 64-bit programs do.

use falco_event::native::x86_64_number_of_compat;

use crate::filter::{ARCH_I386, COMPAT_SOCKETCALL, X32_BIT};
use crate::memory::Memory;
use crate::plan::NUMBERS;
use crate::stop::{Abi, Stop};
use crate::sys::SyscallInfo;

/// Numbers on x86_64.
pub(crate) const CLONE: u16 = 56;
pub(crate) const FORK: u16 = 57;
pub(crate) const VFORK: u16 = 58;
pub(crate) const EXECVE: u16 = 59;
pub(crate) const SCHED_SETAFFINITY: u16 = 203;
pub(crate) const SCHED_GETAFFINITY: u16 = 204;
pub(crate) const EXECVEAT: u16 = 322;
pub(crate) const CLONE3: u16 = 435;

/// Flags of clone(2).
pub(crate) const CLONE_UNTRACED: u64 = 0x0080_0000;
const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;

/// What socketcall(2) can be, by its first argument from 1, with how many arguments each has in memory
/// (Linux `include/uapi/linux/net.h`, `net/socket.c`). `send` and `recv` are `sendto` and `recvfrom`.
const SOCKETCALLS: [(u16, usize); 20] = [
    (41, 3),
    (49, 3),
    (42, 3),
    (50, 2),
    (43, 3),
    (51, 3),
    (52, 3),
    (53, 4),
    (44, 4),
    (45, 4),
    (44, 6),
    (45, 6),
    (48, 2),
    (54, 5),
    (55, 5),
    (46, 3),
    (47, 3),
    (288, 4),
    (299, 5),
    (307, 4),
];

/// The calls that socketcall(2) makes, by number on x86_64.
pub(crate) fn socket_calls() -> impl Iterator<Item = u16> {
    SOCKETCALLS.iter().map(|(number, _)| *number)
}

/// The first of the numbers that x32 alone has, and what they are on x86_64 (Linux `syscall_64.tbl`).
const FIRST_X32: u32 = 512;
const X32: [u16; 36] = [
    13, 15, 16, 19, 20, 45, 46, 47, 59, 101, 127, 128, 129, 131, 222, 244, 246, 247, 273, 274, 278,
    279, 295, 296, 297, 299, 307, 310, 311, 54, 55, 206, 209, 322, 327, 328,
];

/// A call at its entry, with time and place still to be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) abi: Abi,
    pub(crate) number: Option<u16>,
    pub(crate) raw_number: u32,
    pub(crate) args: [u64; 6],
}

impl Call {
    /// What the kernel told at an entry. The memory is that of the thread: socketcall's arguments are there.
    pub(crate) fn of_info(info: &SyscallInfo, memory: &Memory) -> Self {
        let [number, args @ .., _] = info.data;
        // Calls have 32-bit numbers, whatever the register holds.
        Call::new(info.arch == ARCH_I386, number as u32, args, memory)
    }

    /// What the registers tell. Without `arch` (`AUDIT_ARCH_*`), a 32-bit call by a 64-bit program is
    /// taken for a 64-bit one.
    pub(crate) fn of_registers(
        regs: &libc::user_regs_struct,
        arch: Option<u32>,
        memory: &Memory,
    ) -> Self {
        /// The code segment of 32-bit programs (`__USER32_CS`).
        const USER32_CS: u64 = 0x23;
        let is_32_bit = arch.map_or(regs.cs == USER32_CS, |arch| arch == ARCH_I386);
        let args = match is_32_bit {
            true => [regs.rbx, regs.rcx, regs.rdx, regs.rsi, regs.rdi, regs.rbp],
            false => [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9],
        };
        Call::new(is_32_bit, regs.orig_rax as u32, args, memory)
    }

    fn new(is_32_bit: bool, raw_number: u32, mut args: [u64; 6], memory: &Memory) -> Self {
        if is_32_bit {
            args = args.map(|arg| arg & u64::from(u32::MAX));
            let mut number = u16::try_from(raw_number).ok().and_then(x86_64_number_of_compat);
            if raw_number == COMPAT_SOCKETCALL.into()
                && let Some((call, inner)) = socketcall(args, memory)
            {
                (number, args) = (Some(call), inner);
            }
            return Call { abi: Abi::I386, number, raw_number, args };
        }
        if raw_number & X32_BIT == 0 {
            let number = u16::try_from(raw_number).ok().filter(|&n| usize::from(n) < NUMBERS);
            return Call { abi: Abi::X86_64, number, raw_number, args };
        }
        let low = raw_number & !X32_BIT;
        let number = match low.checked_sub(FIRST_X32) {
            Some(at) => usize::try_from(at).ok().and_then(|at| X32.get(at).copied()),
            None => u16::try_from(low).ok(),
        };
        Call { abi: Abi::X32, number, raw_number, args }
    }

    /// A stop at the entry of this call.
    pub(crate) fn at(self, (tid, pid): (i32, i32), ts: u64) -> Stop {
        let Call { abi, number, raw_number, args } = self;
        Stop { tid: tid.into(), pid: pid.into(), ts, abi, number, raw_number, args, result: None }
    }

    /// The flags of a call that makes a thread, as clone(2) takes them.
    pub(crate) fn clone_flags(&self, memory: &Memory) -> u64 {
        let signal = libc::SIGCHLD.cast_unsigned().into();
        match self.number {
            Some(FORK) => signal,
            Some(VFORK) => CLONE_VFORK | CLONE_VM | signal,
            Some(CLONE) => self.args[0],
            Some(CLONE3) => {
                // `struct clone_args`: flags, pidfd, child_tid, parent_tid, exit_signal; 8 bytes each.
                let flags = memory.u64(self.args[0]).unwrap_or(0);
                let signal = memory.u64(self.args[0].wrapping_add(32)).unwrap_or(0);
                flags | (signal & 0xff)
            }
            _ => 0,
        }
    }
}

/// Takes the arguments of socketcall(2) out of memory. `None` if they cannot be read, or it is none.
fn socketcall(args: [u64; 6], memory: &Memory) -> Option<(u16, [u64; 6])> {
    let at = usize::try_from(args[0].checked_sub(1)?).ok()?;
    let (number, count) = *SOCKETCALLS.get(at)?;
    let mut bytes = [0; 4 * 6];
    let bytes = bytes.get_mut(..4 * count)?;
    if !memory.read_exact(args[1], bytes) {
        return None;
    }
    let mut inner = [0; 6];
    for (arg, four) in inner.iter_mut().zip(bytes.chunks_exact(4)) {
        *arg = four.try_into().map_or(0, u32::from_le_bytes).into();
    }
    Some((number, inner))
}

#[cfg(test)]
mod tests {
    use falco_event::Syscall;

    use super::*;

    fn info(arch: u32, number: u64, args: [u64; 6]) -> SyscallInfo {
        let mut info = SyscallInfo { arch, ..SyscallInfo::default() };
        info.data[0] = number;
        info.data[1..7].copy_from_slice(&args);
        info
    }

    fn ourselves() -> Memory {
        Memory::of(std::process::id().cast_signed())
    }

    #[test]
    fn calls_of_all_programs_are_told_as_those_of_64_bit_ones() {
        let call =
            |arch, number| Call::of_info(&info(arch, number, [1 << 40 | 7; 6]), &ourselves());
        let native = call(crate::filter::ARCH_X86_64, 257);
        assert_eq!(
            (native.abi, native.number, native.args[5]),
            (Abi::X86_64, Some(257), 1 << 40 | 7)
        );
        let old = call(ARCH_I386, 295);
        assert_eq!(
            (old.abi, old.number, old.raw_number, old.args[5]),
            (Abi::I386, Some(257), 295, 7)
        );
        let x32 = call(crate::filter::ARCH_X86_64, u64::from(X32_BIT) | 520);
        assert_eq!((x32.abi, x32.number), (Abi::X32, Some(EXECVE)));
        let x32 = call(crate::filter::ARCH_X86_64, u64::from(X32_BIT) | 257);
        assert_eq!((x32.abi, x32.number), (Abi::X32, Some(257)));
        for none in [u64::from(X32_BIT) | 5000, 5000] {
            assert_eq!(call(crate::filter::ARCH_X86_64, none).number, None);
        }
    }

    #[test]
    fn socketcall_is_taken_apart() {
        let inner = [3_u32, 0x1000, 16];
        let address = inner.as_ptr().expose_provenance() as u64;
        // Addresses of this test have more than 32 bits, so the inner function is asked.
        let connect = socketcall([3, address, 0, 0, 0, 0], &ourselves());
        assert_eq!(connect, Some((42, [3, 0x1000, 16, 0, 0, 0])));
        assert_eq!(socketcall([0, address, 0, 0, 0, 0], &ourselves()), None);
        assert_eq!(socketcall([21, address, 0, 0, 0, 0], &ourselves()), None);
        assert_eq!(socketcall([3, 8, 0, 0, 0, 0], &ourselves()), None);
    }

    #[test]
    fn numbers_are_those_of_the_table() {
        let names = ["clone", "fork", "vfork", "execve", "execveat", "clone3"];
        for (number, name) in [CLONE, FORK, VFORK, EXECVE, EXECVEAT, CLONE3].into_iter().zip(names)
        {
            assert_eq!(Syscall::by_x86_64_number(number).unwrap().name, name);
        }
        let of_sockets = "socket bind connect listen accept getsockname getpeername socketpair sendto \
                          recvfrom sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg \
                          accept4 recvmmsg sendmmsg";
        for (number, name) in socket_calls().zip(of_sockets.split_whitespace()) {
            assert_eq!(Syscall::by_x86_64_number(number).unwrap().name, name);
        }
        let x32 = "rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace \
                   rt_sigpending rt_sigtimedwait rt_sigqueueinfo sigaltstack timer_create mq_notify \
                   kexec_load waitid set_robust_list get_robust_list vmsplice move_pages preadv pwritev \
                   rt_tgsigqueueinfo recvmmsg sendmmsg process_vm_readv process_vm_writev setsockopt \
                   getsockopt io_setup io_submit execveat preadv2 pwritev2";
        assert_eq!(x32.split_whitespace().count(), X32.len());
        for (number, name) in X32.into_iter().zip(x32.split_whitespace()) {
            assert_eq!(Syscall::by_x86_64_number(number).unwrap().name, name);
        }
    }

    #[test]
    fn flags_of_new_threads_are_those_of_clone() {
        let call =
            |number, args| Call { abi: Abi::X86_64, number: Some(number), raw_number: 0, args };
        let flags = |call: Call| call.clone_flags(&ourselves());
        assert_eq!(flags(call(FORK, [9; 6])), 17);
        assert_eq!(flags(call(VFORK, [9; 6])), 0x4100 | 17);
        assert_eq!(flags(call(CLONE, [0x3d0f00, 0, 0, 0, 0, 0])), 0x3d0f00);
        let clone_args = [0x1_0000_0100_u64, 0, 0, 0, 17];
        let address = clone_args.as_ptr().expose_provenance() as u64;
        assert_eq!(flags(call(CLONE3, [address, 88, 0, 0, 0, 0])), 0x1_0000_0111);
        assert_eq!(flags(call(CLONE3, [8, 88, 0, 0, 0, 0])), 0);
    }
}
