//! Who a process is: users, groups, capabilities, sessions, namespaces, names and limits.

use falco_event::portable;

use super::decoders;
use crate::calls::params::{Call, Params, word32, word64};
use crate::stop::Abi;

decoders! {
    setuid SYSCALL_SETUID_X |_, p| { p.result().arg_u32(0); };
    setgid SYSCALL_SETGID_X |_, p| { p.result().arg_u32(0); };
    setreuid SYSCALL_SETREUID_X |_, p| { p.result().arg_u32(0).arg_u32(1); };
    setregid SYSCALL_SETREGID_X |_, p| { p.result().arg_u32(0).arg_u32(1); };
    setresuid SYSCALL_SETRESUID_X |_, p| { p.result().arg_u32(0).arg_u32(1).arg_u32(2); };
    setresgid SYSCALL_SETRESGID_X |_, p| { p.result().arg_u32(0).arg_u32(1).arg_u32(2); };
    getuid SYSCALL_GETUID_X |c, p| { p.u32(c.ret() as u32); };
    geteuid SYSCALL_GETEUID_X |c, p| { p.u32(c.ret() as u32); };
    getgid SYSCALL_GETGID_X |c, p| { p.u32(c.ret() as u32); };
    getegid SYSCALL_GETEGID_X |c, p| { p.u32(c.ret() as u32); };
    getresuid SYSCALL_GETRESUID_X ids;
    getresgid SYSCALL_GETRESGID_X ids;
    capset SYSCALL_CAPSET_X capset;

    // Sessions and namespaces.
    setsid SYSCALL_SETSID_X |_, p| { p.result(); };
    setpgid SYSCALL_SETPGID_X |_, p| { p.result().num(0).num(1); };
    setns SYSCALL_SETNS_X |c, p| { p.result().fd(0).u32(portable::clone_flags(c.arg32(1))); };
    unshare SYSCALL_UNSHARE_X |c, p| { p.result().u32(portable::clone_flags(c.arg32(0))); };

    prctl SYSCALL_PRCTL_X prctl;
    seccomp SYSCALL_SECCOMP_X |c, p| { p.result().arg_u64(0).u64(c.arg32(1).into()); };

    // Limits.
    setrlimit SYSCALL_SETRLIMIT_X |c, p| {
        let limit = rlimit(c, 1);
        p.result().u64(limit.0).u64(limit.1).u8(portable::rlimit_resource(c.arg32(0)));
    };
    getrlimit SYSCALL_GETRLIMIT_X |c, p| {
        let limit = if c.ret() == 0 { rlimit(c, 1) } else { UNKNOWN };
        p.result().u64(limit.0).u64(limit.1).u8(portable::rlimit_resource(c.arg32(0)));
    };
    prlimit64 SYSCALL_PRLIMIT_X |c, p| {
        let new = rlimit64(c, 2);
        let old = if c.ret() == 0 { rlimit64(c, 3) } else { UNKNOWN };
        p.result().u64(new.0).u64(new.1).u64(old.0).u64(old.1);
        p.num(0).u8(portable::rlimit_resource(c.arg32(1)));
    };
}

/// Three ids that arguments point to.
fn ids(c: Call<'_>, p: &mut Params<'_>) {
    let ids = [0, 1, 2].map(|n| c.u32_at(n));
    p.result();
    for id in ids {
        p.u32(id);
    }
}

/// What the thread has after the call.
fn capset(c: Call<'_>, p: &mut Params<'_>) {
    let tid = c.stop.tid;
    let ids = p.process.held().and_then(|held| p.proc.ids(held, tid));
    p.result();
    match ids {
        Some(ids) => [ids.cap_inheritable, ids.cap_permitted, ids.cap_effective]
            .into_iter()
            .for_each(|set| _ = p.u64(portable::capabilities(set))),
        None => (0..3).for_each(|_| _ = p.empty()),
    }
}

fn prctl(c: Call<'_>, p: &mut Params<'_>) {
    const SET_NAME: u32 = 15;
    const GET_NAME: u32 = 16;
    const GET_CHILD_SUBREAPER: u32 = 37;
    let (option, mut value) = (c.arg32(0), c.arg(1));
    let is_name = option == SET_NAME || option == GET_NAME;
    if option == GET_CHILD_SUBREAPER {
        value = c.u32_at(1).into();
    }
    p.result().u32(option);
    if is_name {
        p.text_at(value).u64(0)
    } else {
        p.empty().u64(value)
    };
}

/// Limits that are not known: -1 each.
const UNKNOWN: (u64, u64) = (u64::MAX, u64::MAX);

/// A limit in user memory, as the caller's ABI has it for getrlimit and setrlimit.
fn rlimit(c: Call<'_>, n: usize) -> (u64, u64) {
    if c.stop.abi == Abi::I386 {
        let pair: [u8; 8] = c.read(c.arg(n));
        return (word32(&pair, 0).into(), word32(&pair, 4).into());
    }
    rlimit64(c, n)
}

/// A limit in user memory as prlimit64 has it for all callers.
fn rlimit64(c: Call<'_>, n: usize) -> (u64, u64) {
    let pair: [u8; 16] = c.read(c.arg(n));
    (word64(&pair, 0), word64(&pair, 8))
}
