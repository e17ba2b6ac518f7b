//! The system itself: modules, BPF, keys, quotas, semaphores.

use falco_event::portable;

use super::decoders;
use crate::calls::params::{Call, Params, word16, word32, word64};

decoders! {
    init_module SYSCALL_INIT_MODULE_X |c, p| {
        let length = c.arg(1);
        p.result().data(c.arg(0), length).u64(length).path(2);
    };
    finit_module SYSCALL_FINIT_MODULE_X |c, p| {
        p.result().fd(0).path(1).u32(portable::finit_module_flags(c.arg32(2)));
    };
    delete_module SYSCALL_DELETE_MODULE_X |c, p| {
        p.result().path(0).u32(portable::delete_module_flags(c.arg32(1)));
    };
    bpf SYSCALL_BPF_2_X |c, p| {
        // Of these commands, the result is a new fd: maps, programs, links and the like.
        let makes_fd = matches!(c.arg32(0), 0 | 5 | 7 | 13 | 14 | 17 | 18 | 19 | 28 | 30 | 33);
        if makes_fd { p.result_fd() } else { p.result() };
        p.arg_u32(0);
    };
    keyctl SYSCALL_KEYCTL_X keyctl;
    quotactl SYSCALL_QUOTACTL_X quotactl;
    semop SYSCALL_SEMOP_X semop;
    semctl SYSCALL_SEMCTL_X |c, p| {
        const SETVAL: u32 = 16;
        let command = c.arg32(2);
        p.result().arg_u32(0).arg_u32(1).u16(portable::semctl_command(command));
        p.u32(if command & !0x100 == SETVAL { c.arg32(3) } else { 0 });
    };
    semget SYSCALL_SEMGET_X |c, p| {
        p.result().arg_u32(0).arg_u32(1).u32(portable::semget_flags(c.arg32(2)));
    };
}

/// What an argument of keyctl(2) is.
#[derive(Clone, Copy)]
enum Key {
    /// There is none.
    None,
    Number,
    Text,
}

/// The four arguments behind an operation (`security/keys/keyctl.c`).
fn key_args(operation: u32) -> [Key; 4] {
    use Key::{None as O, Number as N, Text as T};
    match operation {
        1 => [T, O, O, O],
        3 | 7 | 14 | 16 | 21 => [N, O, O, O],
        0 | 5 | 8 | 9 | 15 | 22 | 31 => [N, N, O, O],
        2 | 4 | 6 | 11 | 13 | 17 | 32 => [N, N, N, O],
        10 => [N, T, T, N],
        12 | 19 | 20 | 23 | 30 => [N, N, N, N],
        24 => [N, N, T, O],
        25..=28 => [N, T, N, N],
        29 => [N, T, T, O],
        _ => [O; 4],
    }
}

fn keyctl(c: Call<'_>, p: &mut Params<'_>) {
    /// How a dynamic parameter begins (`PPM_KEYCTL_IDX_*` of libscap).
    const AS_S64: u8 = 0;
    const AS_TEXT: u8 = 1;
    let operation = c.arg32(0);
    p.result().u32(operation);
    for (kind, n) in key_args(operation).into_iter().zip(1..) {
        match kind {
            Key::None => p.parts(&[&[AS_S64], &[0; 8]]),
            Key::Number => p.parts(&[&[AS_S64], &c.arg(n).to_le_bytes()]),
            Key::Text => {
                let mut to = p.take_buffer();
                to.push(AS_TEXT);
                if c.memory.text(c.arg(n), super::super::params::MAX_TEXT, &mut to).is_some() {
                    to.push(0);
                }
                p.put_buffer(to)
            }
        };
    }
}

fn quotactl(c: Call<'_>, p: &mut Params<'_>) {
    const QUOTAON: u16 = 1;
    const GETFMT: u16 = 4;
    let (raw, id, address) = (c.arg32(0), c.arg32(2), c.arg(3));
    let command = portable::quota_command(raw);
    // Q_GETQUOTA and Q_SETQUOTA with struct if_dqblk, Q_GETINFO and Q_SETINFO with struct if_dqinfo
    // (include/uapi/linux/quota.h); Q_XGETQUOTA and Q_XSETQLIM have an id, too.
    let is_quota = matches!(command, 32 | 64);
    let has_id = is_quota || matches!(command, 1024 | 2048);
    let block: [u8; 72] = if is_quota { c.read(address) } else { [0; 72] };
    let info: [u8; 24] = if matches!(command, 8 | 16) { c.read(address) } else { [0; 24] };
    let format = if command == GETFMT { c.u32_at(3) } else { 0 };
    let of_block =
        |bit: u32, at| if word32(&block, 64) & bit != 0 { word64(&block, at) } else { 0 };
    let of_info = |bit: u32, at| if word32(&info, 20) & bit != 0 { word64(&info, at) } else { 0 };

    p.result().path(1).text_at(if command == QUOTAON { address } else { 0 });
    // Limits and use of blocks, limits of inodes, and the two times.
    for (bit, at) in [(1, 0), (1, 8), (2, 16), (4, 24), (4, 32), (16, 48), (32, 56)] {
        p.u64(of_block(bit, at));
    }
    p.u64(of_info(1, 0)).u64(of_info(2, 8)).u8(of_info(4, 16) as u8);
    p.u8(portable::quota_format(format)).u16(command).u8(portable::quota_type(raw));
    p.u32(if has_id { id } else { 0 });
    p.u8(portable::quota_format(if command == QUOTAON { id } else { 0 }));
}

/// The first two operations (struct sembuf).
fn semop(c: Call<'_>, p: &mut Params<'_>) {
    const BYTES: usize = 6;
    let count = c.arg32(2);
    let read = |n: u32| -> [u8; BYTES] {
        let address = c.arg(1).wrapping_add(u64::from(n) * BYTES as u64);
        if c.ret() == 0 && count > n { c.read(address) } else { [0; BYTES] }
    };
    let operations = [read(0), read(1)];
    p.result().u32(count);
    for operation in operations {
        p.u16(word16(&operation, 0)).u16(word16(&operation, 2));
        p.u16(portable::semop_flags(word16(&operation, 4)));
    }
    p.arg_u32(0);
}
