//! The system calls that neither `nix` nor `rustix` offers as this crate needs them: ptrace(2) with
//! signals of every number, wait4(2) of one thread's tracees, seccomp(2), and (`child`) what a child does
//! between fork and exec. The one place of this crate with `unsafe`; every function of it is safe to call.
#![allow(unsafe_code)]

mod child;

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::OnceLock;

use rustix::thread::CapabilitySet;

pub(crate) use child::{Child, Program, Progress, fork};

/// Bytes of the smallest page.
const PAGE: u64 = 4096;
/// Pieces of the other's memory that one system call reads at most.
const PIECES: usize = 64;
/// Places of ours that one system call writes at most.
const PLACES: usize = 16;

/// An address of another process, and where its bytes go.
type Place<'a> = (u64, &'a mut [u8]);

/// Reads memory of thread `tid` from several addresses, one place after the other, until all are full
/// or a page cannot be read; how many bytes in all. Of more than 16 places, the first are read.
///
/// Of a program that may not be dumped (`PR_SET_DUMPABLE`, or an executable that its user may not
/// read), a tracer without `CAP_SYS_PTRACE` can read nothing, in no way (`ptrace_access_vm`).
pub(crate) fn read_memory(tid: i32, places: &mut [Place<'_>]) -> usize {
    if !is_refused() {
        match read_at_once(tid, places) {
            Ok(got) => return got,
            // A process of another user, which this thread can read only as that one (`look_as`).
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
            Err(_) => return 0,
        }
    }
    read_one_by_one(tid, places)
}

/// Whether process_vm_readv(2) is refused here, even for memory of our own: container runtimes can
/// forbid it.
fn is_refused() -> bool {
    static IS_REFUSED: OnceLock<bool> = OnceLock::new();
    *IS_REFUSED.get_or_init(|| {
        let (ours, mut read) = (1_u8, [0]);
        let place = (ptr::from_ref(&ours).expose_provenance() as u64, &mut read[..]);
        read_at_once(std::process::id().cast_signed(), &mut [place]).is_err()
    })
}

fn read_at_once(tid: i32, places: &mut [Place<'_>]) -> io::Result<usize> {
    let none = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
    let mut locals = [none; PLACES];
    let mut pieces = [none; PIECES];
    let (mut local_count, mut piece_count, mut want) = (0, 0, 0);
    'places: for ((address, buffer), local) in places.iter_mut().zip(&mut locals) {
        *local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: 0 };
        local_count += 1;
        let mut at = *address;
        let mut left = buffer.len();
        while left > 0 {
            // Kernels promise to go as far as they can from piece to piece only.
            let len = left.min((PAGE - at % PAGE) as usize);
            let Some(piece) = pieces.get_mut(piece_count) else { break 'places };
            *piece =
                libc::iovec { iov_base: ptr::without_provenance_mut(at as usize), iov_len: len };
            piece_count += 1;
            local.iov_len += len;
            want += len;
            left -= len;
            let Some(next) = at.checked_add(len as u64) else { break 'places };
            at = next;
        }
    }
    // SAFETY: the local places are exclusively borrowed buffers, each with at most its length; addresses
    // of the other process are checked by the kernel.
    let got = unsafe {
        libc::process_vm_readv(
            tid,
            locals.as_ptr(),
            local_count as libc::c_ulong,
            pieces.as_ptr(),
            piece_count as libc::c_ulong,
            0,
        )
    };
    match usize::try_from(got) {
        Ok(got) => Ok(got.min(want)),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// The same through procfs.
fn read_one_by_one(tid: i32, places: &mut [Place<'_>]) -> usize {
    let Ok(memory) = std::fs::File::open(format!("/proc/{tid}/mem")) else { return 0 };
    let mut all = 0;
    for (address, buffer) in places.iter_mut().take(PLACES) {
        let mut got = 0;
        while let Some(left) = buffer.get_mut(got..).filter(|left| !left.is_empty()) {
            match memory.read_at(left, address.saturating_add(got as u64)) {
                Ok(0) | Err(_) => break,
                Ok(more) => got += more,
            }
        }
        all += got;
        if got < buffer.len() {
            break;
        }
    }
    all
}

/// What ptrace(2) is asked. Numbers are those of `include/uapi/linux/ptrace.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Resume {
    /// Until something happens.
    Cont = 7,
    /// Until something happens, or a system call begins or ends.
    Syscall = 24,
    /// It stays in its group stop, and tells when that ends.
    Listen = 0x4208,
    /// For ever: it is no tracee any more.
    Detach = 17,
}

const PTRACE_POKEDATA: u32 = 5;
const PTRACE_GETREGS: u32 = 12;
const PTRACE_SETREGS: u32 = 13;
const PTRACE_GETEVENTMSG: u32 = 0x4201;
const PTRACE_GETSIGINFO: u32 = 0x4202;
const PTRACE_SEIZE: u32 = 0x4206;
const PTRACE_INTERRUPT: u32 = 0x4207;
const PTRACE_GET_SYSCALL_INFO: u32 = 0x420e;

/// # Safety
/// `address` and `data` must be what `request` takes.
unsafe fn ptrace(request: u32, tid: i32, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: the caller's responsibility.
    let got = unsafe {
        libc::syscall(libc::SYS_ptrace, u64::from(request), i64::from(tid), address, data)
    };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes thread `tid` a tracee of the calling thread, without stopping it.
pub(crate) fn seize(tid: i32, options: u32) -> io::Result<()> {
    // SAFETY: takes numbers alone.
    unsafe { ptrace(PTRACE_SEIZE, tid, 0, options as usize) }
}

/// Makes a tracee stop as soon as it can.
pub(crate) fn interrupt(tid: i32) -> io::Result<()> {
    // SAFETY: takes the thread alone.
    unsafe { ptrace(PTRACE_INTERRUPT, tid, 0, 0) }
}

/// Lets a tracee that stopped go on, with `signal` (0 for none).
pub(crate) fn resume(tid: i32, how: Resume, signal: i32) -> io::Result<()> {
    // SAFETY: takes numbers alone.
    unsafe { ptrace(how as u32, tid, 0, signal.cast_unsigned() as usize) }
}

/// The number that comes with an event.
pub(crate) fn event_message(tid: i32) -> io::Result<u64> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the kernel writes one `unsigned long`.
    unsafe { ptrace(PTRACE_GETEVENTMSG, tid, 0, (&raw mut message).expose_provenance()) }?;
    Ok(message)
}

/// Who sent the signal that a tracee stopped for: the process, if one did, else 0.
pub(crate) fn signal_sender(tid: i32) -> io::Result<i32> {
    // SAFETY: a structure of integers, for which zero is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `siginfo_t`.
    unsafe { ptrace(PTRACE_GETSIGINFO, tid, 0, (&raw mut info).expose_provenance()) }?;
    // Only these say which process (sigaction(2)): SI_USER, SI_QUEUE, SI_MESGQ, SI_TKILL, CLD_*.
    if matches!(info.si_code, 0 | -1 | -3 | -6) || info.si_signo == libc::SIGCHLD {
        // SAFETY: with these codes, the kernel filled in the sender.
        return Ok(unsafe { info.si_pid() });
    }
    Ok(0)
}

/// What a system call stop is about (`struct ptrace_syscall_info`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct SyscallInfo {
    /// 0 none, 1 entry, 2 exit, 3 seccomp.
    pub(crate) op: u8,
    pub(crate) reserved: u8,
    pub(crate) flags: u16,
    /// `AUDIT_ARCH_*`.
    pub(crate) arch: u32,
    pub(crate) instruction_pointer: u64,
    pub(crate) stack_pointer: u64,
    /// At entry: the number and its arguments, and with seccomp the data of the filter. At exit: the
    /// result.
    pub(crate) data: [u64; 8],
}

/// Asks what a tracee stopped for. Linux 5.3.
pub(crate) fn syscall_info(tid: i32) -> io::Result<SyscallInfo> {
    let mut info = SyscallInfo::default();
    let to = (&raw mut info).expose_provenance();
    // SAFETY: the kernel writes at most as many bytes as the address says the structure has.
    unsafe { ptrace(PTRACE_GET_SYSCALL_INFO, tid, size_of::<SyscallInfo>(), to) }?;
    Ok(info)
}

/// The registers of a tracee that stopped.
pub(crate) fn registers(tid: i32) -> io::Result<libc::user_regs_struct> {
    // SAFETY: a structure of integers, for which zero is a value.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `struct user_regs_struct`.
    unsafe { ptrace(PTRACE_GETREGS, tid, 0, (&raw mut registers).expose_provenance()) }?;
    Ok(registers)
}

/// Sets the registers of a tracee that stopped.
pub(crate) fn set_registers(tid: i32, registers: &libc::user_regs_struct) -> io::Result<()> {
    // SAFETY: the kernel reads one `struct user_regs_struct`.
    unsafe { ptrace(PTRACE_SETREGS, tid, 0, ptr::from_ref(registers).expose_provenance()) }
}

/// Writes 8 bytes of a tracee's memory.
pub(crate) fn write_word(tid: i32, address: u64, word: u64) -> io::Result<()> {
    let (Ok(address), Ok(word)) = (usize::try_from(address), usize::try_from(word)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: the address is one of the tracee's, and checked by the kernel.
    unsafe { ptrace(PTRACE_POKEDATA, tid, address, word) }
}

/// The calling thread's next tracee or child of which there is something to tell: its id and a status
/// as wait(2) encodes it. `None` if there is nothing now and `block` is false. Children and tracees of
/// other threads of this process are theirs.
///
/// # Errors
/// `ECHILD` if the thread has neither, `EINTR` if a signal came.
pub(crate) fn wait(block: bool) -> io::Result<Option<(i32, i32)>> {
    let options = libc::__WALL | libc::__WNOTHREAD | if block { 0 } else { libc::WNOHANG };
    let mut status = 0;
    // SAFETY: the kernel writes one `int`.
    match unsafe { libc::waitpid(-1, &raw mut status, options) } {
        0 => Ok(None),
        tid if tid > 0 => Ok(Some((tid, status))),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether this process lacks `CAP_SYS_PTRACE`, so that processes can keep it from reading them.
pub(crate) fn is_blind() -> bool {
    !has(CapabilitySet::SYS_PTRACE)
}

/// Whether this process may look at files as any user.
pub(crate) fn may_be_anybody() -> bool {
    has(CapabilitySet::SETUID | CapabilitySet::SETGID)
}

fn has(wanted: CapabilitySet) -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}

/// Keeps other processes of the same user from attaching to this one, reading and writing its memory and
/// reaching its fds through `/proc`: those that it watches, above all. It leaves no core dumps, either.
pub(crate) fn be_private() {
    // SAFETY: takes numbers alone. It cannot fail.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}

/// User and group as whom this thread looks at files.
pub(crate) fn file_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// The calling thread looks at files, `/proc` among them, as this user and group from now on (setfsuid(2));
/// `wholly`, its effective ones are these, too. Its real ones stay, so that it can be itself again, `own`,
/// and be sent no signals. Without `CAP_SETUID` and `CAP_SETGID`, nothing happens.
pub(crate) fn look_as(own: (u32, u32), (user, group): (u32, u32), wholly: bool) {
    let set = |number: libc::c_long, id: u32| {
        const KEEP: i64 = -1;
        // SAFETY: takes numbers alone, and concerns the calling thread.
        unsafe { libc::syscall(number, KEEP, i64::from(id), KEEP) };
    };
    // Capabilities come and go with the effective user: it is the first to return and the last to leave.
    set(libc::SYS_setresuid, own.0);
    set(libc::SYS_setresgid, own.1);
    if wholly {
        set(libc::SYS_setresgid, group);
        set(libc::SYS_setresuid, user);
        return;
    }
    // SAFETY: both take numbers alone, and concern the calling thread.
    unsafe {
        libc::syscall(libc::SYS_setfsgid, u64::from(group));
        libc::syscall(libc::SYS_setfsuid, u64::from(user));
    }
}

/// The id of the calling thread.
pub(crate) fn gettid() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// Whether thread `tid` is one of process `pid`.
pub(crate) fn is_thread_of(tid: i32, pid: i32) -> bool {
    // SAFETY: takes numbers alone; signal 0 is none.
    let got = unsafe { libc::syscall(libc::SYS_tgkill, i64::from(pid), i64::from(tid), 0_i64) };
    // EPERM: it is, but may not be sent signals.
    got == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Sends a signal to one thread of this process.
pub(crate) fn signal_thread(tid: i32, signal: i32) {
    // SAFETY: takes numbers alone. That the thread is of this process is checked by the kernel.
    unsafe {
        libc::syscall(
            libc::SYS_tgkill,
            i64::from(std::process::id()),
            i64::from(tid),
            i64::from(signal),
        )
    };
}

/// Sends a signal to the process that `pidfd` stands for; `false` if that is refused. If there is no such
/// process or signal, nothing happens.
pub(crate) fn signal_process(pidfd: &OwnedFd, signal: i32) -> bool {
    let (pidfd, signal) = (i64::from(pidfd.as_raw_fd()), i64::from(signal));
    // SAFETY: takes numbers and a null pointer.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, signal, 0_usize, 0_u64) };
    let refusal = || io::Error::last_os_error().raw_os_error();
    sent == 0 || !matches!(refusal(), Some(libc::EPERM | libc::ENOSYS))
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: i32, signal: i32) {
    // SAFETY: takes numbers alone.
    unsafe { libc::kill(pid, signal) };
}

/// Waits for a signal to this process, all of which are blocked: its number, and whether the kernel
/// itself sent it.
pub(crate) fn next_signal() -> io::Result<(i32, bool)> {
    // SAFETY: a set of bits and a structure of integers, for which zero is a value.
    let (mut all, mut info): (libc::sigset_t, libc::siginfo_t) = unsafe { std::mem::zeroed() };
    // SAFETY: both are valid, and written by the calls alone.
    let got = unsafe {
        libc::sigfillset(&raw mut all);
        libc::sigwaitinfo(&raw const all, &raw mut info)
    };
    // SI_KERNEL.
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok((got, info.si_code == 0x80)) }
}

/// Which of both processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forked {
    /// The one that made the other, whose id this is.
    Parent(i32),
    /// The new one.
    Child,
}

/// Makes a copy of this process, which has no other threads.
///
/// # Errors
/// If there are other threads, whose locks the copy would find held for ever, or the kernel refuses.
pub(crate) fn fork_alone() -> io::Result<Forked> {
    // Without /proc, nobody can tell; whoever calls has promised it.
    if std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        return Err(io::Error::other("other threads run already"));
    }
    // SAFETY: there is no other thread that could hold a lock.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        pid if pid > 0 => Ok(Forked::Parent(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn do_nothing(_signal: c_int) {}

/// Makes `signal` interrupt system calls of this process that wait, and do nothing else.
pub(crate) fn let_interrupt(signal: i32) -> io::Result<()> {
    // SAFETY: a structure of integers, an empty mask and pointers, for which zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = do_nothing as extern "C" fn(c_int) as *const () as usize;
    // SAFETY: the handler does nothing, which is safe anywhere; without SA_RESTART, calls end.
    let got = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the kernel send this process no SIGCHLD for stops of tracees, whatever it does with that signal:
/// the tracer waits for them anyway. Each would wake threads that have nothing to do, and every reader of
/// a signalfd (kernel/signal.c: `do_notify_parent_cldstop`, `signalfd_notify`). execve(2) undoes it, so the
/// traced do not inherit it.
pub(crate) fn no_signal_for_stops() -> io::Result<()> {
    // SAFETY: a structure of integers, an empty mask and pointers, for which zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks; the structure is valid and written by the call alone.
    let mut got = unsafe { libc::sigaction(libc::SIGCHLD, ptr::null(), &raw mut action) };
    if got == 0 {
        action.sa_flags |= libc::SA_NOCLDSTOP;
        // SAFETY: the action that was there, with one more flag.
        got = unsafe { libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut()) };
    }
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Nanoseconds since the epoch.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is valid and written by the call alone.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    time.tv_sec
        .cast_unsigned()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both ways read of this process.
    fn both(places: &[(u64, usize)]) -> [(usize, Vec<Vec<u8>>); 2] {
        let read = |how: fn(i32, &mut [Place<'_>]) -> usize| {
            let mut buffers: Vec<_> = places.iter().map(|(_, len)| vec![0_u8; *len]).collect();
            let mut all: Vec<_> = places
                .iter()
                .zip(&mut buffers)
                .map(|((at, _), buffer)| (*at, buffer.as_mut_slice()))
                .collect();
            let got = how(std::process::id().cast_signed(), &mut all);
            (got, buffers)
        };
        [read(|tid, places| read_at_once(tid, places).unwrap_or(0)), read(read_one_by_one)]
    }

    #[test]
    fn memory_is_read_as_far_as_it_can_be() {
        let text: Vec<u8> = (0..20_000_u32).map(|i| (i % 251) as u8).collect();
        let at = text.as_ptr().expose_provenance() as u64;
        for (got, buffers) in both(&[(at, 20_000), (at + 7, 100), (at, 0)]) {
            assert_eq!(got, 20_100);
            assert_eq!((&buffers[0], &buffers[1][..]), (&text, &text[7..107]));
        }
        for (got, buffers) in both(&[(at, 10), (8, 10), (at, 10)]) {
            assert_eq!((got, &buffers[0][..], &buffers[2][..]), (10, &text[..10], &[0; 10][..]));
        }
        // Two pages of which the second is not there.
        let page = PAGE as usize;
        let anywhere = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new mappings, of which the second half is taken away again.
        let start = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let start = libc::mmap(ptr::null_mut(), 2 * page, access, anywhere, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            libc::munmap(start.byte_add(page), page);
            start.expose_provenance() as u64
        };
        for (got, _) in both(&[(start + PAGE - 100, 300)]) {
            assert_eq!(got, 100);
        }
        for wrong in [u64::MAX, u64::MAX - 5000, 0, 1 << 63] {
            for (got, _) in both(&[(wrong, 64)]) {
                assert_eq!(got, 0, "{wrong:#x}");
            }
        }
    }
}
