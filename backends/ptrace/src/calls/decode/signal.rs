//! Signals, tracing of other processes, and calls that wait for time or locks.

use falco_event::portable;

use super::decoders;
use crate::calls::params::{Call, Params};

decoders! {
    kill SYSCALL_KILL_X |c, p| { p.result().num(0).u8(c.arg(1) as u8); };
    tkill SYSCALL_TKILL_X |c, p| { p.result().num(0).u8(c.arg(1) as u8); };
    tgkill SYSCALL_TGKILL_X |c, p| { p.result().num(0).num(1).u8(c.arg(2) as u8); };
    ptrace SYSCALL_PTRACE_X ptrace;
    nanosleep SYSCALL_NANOSLEEP_X |c, p| { p.result().u64(c.timespec(0)); };
    futex SYSCALL_FUTEX_X |c, p| {
        p.result().arg_u64(0).u16(portable::futex_operation(c.arg32(1))).arg_u64(2);
    };
}

/// How a dynamic parameter begins (`PPM_PTRACE_IDX_*` of libscap).
const AS_U64: u8 = 0;
const AS_SIGNAL: u8 = 1;

/// The address; and what a peek found, the signal that a continued process gets, or the argument.
fn ptrace(c: Call<'_>, p: &mut Params<'_>) {
    const PEEKS: [u16; 3] = [2, 3, 4];
    const CONTINUES: [u16; 4] = [8, 10, 12, 13];
    let request = portable::ptrace_request(c.arg32(0));
    let (address, data) = if c.failed() { (0, 0) } else { (c.arg(2), c.arg(3)) };
    p.result().parts(&[&[AS_U64], &address.to_le_bytes()]);
    if c.failed() {
        p.parts(&[&[AS_U64], &[0; 8]]);
    } else if PEEKS.contains(&request) {
        let found: [u8; 8] = c.read(data);
        p.parts(&[&[AS_U64], &found]);
    } else if CONTINUES.contains(&request) {
        p.parts(&[&[AS_SIGNAL, data as u8]]);
    } else {
        p.parts(&[&[AS_U64], &data.to_le_bytes()]);
    }
    p.u16(request).num(1);
}
