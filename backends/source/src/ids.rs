//! Thread ids where several kernels are watched at once.
//!
//! A Linux kernel numbers threads from 1 to at most 2²² (`PID_MAX_LIMIT`, `include/linux/threads.h`).
//! A sandbox has a kernel of its own, whose threads are numbered from 1 as well. To tell them apart,
//! ids of sandboxes carry the sandbox's number in their upper half, as those of Falco's gVisor engine
//! did: tables, fields and captures need nothing new.

/// The id of thread `tid` in sandbox number `sandbox`, which is from 1 to 2³¹ − 1.
pub const fn in_sandbox(sandbox: u32, tid: u32) -> i64 {
    (sandbox as i64) << 32 | tid as i64
}

/// Whether a thread or process of this id runs in the host's kernel, so that the host's `/proc` can
/// be asked about it.
pub const fn is_of_host(id: i64) -> bool {
    id >= 0 && id <= u32::MAX as i64
}

/// The number of a thread's sandbox; 0 on the host.
pub const fn sandbox_of(id: i64) -> u32 {
    if id < 0 { 0 } else { (id >> 32) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sandboxes_are_told_from_the_host() {
        let thread = in_sandbox(0x7fff_ffff, 42);
        assert_eq!(
            (is_of_host(thread), sandbox_of(thread), thread as u32),
            (false, 0x7fff_ffff, 42)
        );
        assert!(is_of_host(42) && !is_of_host(-1));
        assert_eq!((sandbox_of(42), sandbox_of(-1)), (0, 0));
    }
}
