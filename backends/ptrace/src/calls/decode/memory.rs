//! Memory: mappings, protection, locks.

use falco_event::portable;

use super::decoders;
use crate::calls::params::Params;

decoders! {
    brk SYSCALL_BRK_4_X |_, p| { p.result(); usage(p); p.arg_u64(0); };
    mmap SYSCALL_MMAP_X |c, p| {
        p.result();
        usage(p);
        p.arg_u64(0).arg_u64(1).u32(portable::prot_flags(c.arg32(2)));
        p.u32(portable::mmap_flags(c.arg32(3)));
        // Without MAP_ANONYMOUS, the fd is one.
        if c.arg32(3) & 0x20 == 0 { p.fd(4) } else { p.num(4) };
        p.arg_u64(5);
    };
    munmap SYSCALL_MUNMAP_X |_, p| { p.result(); usage(p); p.arg_u64(0).arg_u64(1); };
    mprotect SYSCALL_MPROTECT_X |c, p| {
        p.result().arg_u64(0).arg_u64(1).u32(portable::prot_flags(c.arg32(2)));
    };
    mlock SYSCALL_MLOCK_X |_, p| { p.result().arg_u64(0).arg_u64(1); };
    mlock2 SYSCALL_MLOCK2_X |c, p| {
        p.result().arg_u64(0).arg_u64(1).u32(portable::mlock2_flags(c.arg32(2)));
    };
    munlock SYSCALL_MUNLOCK_X |_, p| { p.result().arg_u64(0).arg_u64(1); };
    mlockall SYSCALL_MLOCKALL_X |c, p| { p.result().u32(portable::mlockall_flags(c.arg32(0))); };
    munlockall SYSCALL_MUNLOCKALL_X |_, p| { p.result(); };
}

/// Parameters vm_size, vm_rss and vm_swap of the caller, in KiB.
fn usage(p: &mut Params<'_>) {
    let pid = p.process.pid;
    match p.process.held().and_then(|held| p.proc.ids(held, pid)) {
        Some(ids) => p.u32(ids.vmsize_kb).u32(ids.vmrss_kb).u32(ids.vmswap_kb),
        None => p.empty().empty().empty(),
    };
}
