//! Fds that are neither files nor sockets by name, and what is done to any fd: copies, pipes, event and
//! timer fds, positions, locks, controls.

use falco_event::portable;

use super::decoders;
use crate::calls::params::{Call, Params, word32};

decoders! {
    // Copies. What close(2) closes is told at its entry.
    close SYSCALL_CLOSE_X |c, p| {
        p.result().num(0);
        if !c.failed() {
            p.process.forget(c.int(0).into());
        }
    };
    dup SYSCALL_DUP_1_X |_, p| { p.result_fd().fd(0); };
    dup2 SYSCALL_DUP2_X |_, p| { p.result_fd().fd(0).num(1); };
    dup3 SYSCALL_DUP3_X |c, p| {
        p.result_fd().fd(0).num(1).u32(portable::dup_flags(c.arg32(2)));
    };
    close_range SYSCALL_CLOSE_RANGE_X |c, p| {
        let flags = portable::close_range_flags(c.arg32(2));
        p.result().arg_u32(0).arg_u32(1).u32(flags);
        // With CLOSE_RANGE_CLOEXEC they stay.
        if !c.failed() && flags & 4 == 0 {
            p.process.forget_range(c.arg32(0).into(), c.arg32(1).into());
        }
    };
    fcntl SYSCALL_FCNTL_X |c, p| {
        let command = portable::fcntl_command(c.arg32(1));
        if DUPLICATES.contains(&command) { p.result_fd() } else { p.result() };
        p.fd(0).u8(command).arg_u64(2);
    };

    // Pipes.
    pipe SYSCALL_PIPE_X pipe;
    pipe2 SYSCALL_PIPE2_X |c, p| {
        pipe(c, p);
        p.u32(portable::pipe_flags(c.arg32(1)));
    };

    // Special fds.
    eventfd SYSCALL_EVENTFD_X |_, p| { p.result_fd().arg_u64(0).u32(0); };
    eventfd2 SYSCALL_EVENTFD2_X |c, p| { p.result_fd().u16(fd_flags(c, 1)).u64(c.arg32(0).into()); };
    signalfd SYSCALL_SIGNALFD_X |_, p| { p.result_fd().num(0).u32(0).u8(0); };
    signalfd4 SYSCALL_SIGNALFD4_X |c, p| { p.result_fd().u16(fd_flags(c, 3)).num(0).u32(0); };
    // One byte for flags: O_CLOEXEC does not fit.
    timerfd_create SYSCALL_TIMERFD_CREATE_X |c, p| {
        p.result_fd().u8(c.arg(0) as u8).u8(fd_flags(c, 1) as u8);
    };
    inotify_init SYSCALL_INOTIFY_INIT_X |_, p| { p.result_fd().u8(0); };
    inotify_init1 SYSCALL_INOTIFY_INIT1_X |c, p| { p.result_fd().u16(fd_flags(c, 0)); };
    epoll_create SYSCALL_EPOLL_CREATE_X |_, p| { p.result_fd().arg_u32(0); };
    epoll_create1 SYSCALL_EPOLL_CREATE1_X |c, p| {
        p.result_fd().u32(portable::epoll_create_flags(c.arg32(0)));
    };
    userfaultfd SYSCALL_USERFAULTFD_X |_, p| { p.result_fd().arg_u32(0); };
    memfd_create SYSCALL_MEMFD_CREATE_X |c, p| {
        p.result_fd().path(0).u32(portable::memfd_flags(c.arg32(1)));
    };
    pidfd_open SYSCALL_PIDFD_OPEN_X |c, p| {
        p.result_fd().num(0).u32(portable::pidfd_flags(c.arg32(1)));
    };
    pidfd_getfd SYSCALL_PIDFD_GETFD_X |_, p| { p.result_fd().fd(0).num(1).arg_u32(2); };

    // io_uring.
    io_uring_setup SYSCALL_IO_URING_SETUP_X |c, p| {
        // The beginning of struct io_uring_params (include/uapi/linux/io_uring.h).
        let params: [u8; 24] = c.read(c.arg(1));
        let [sq, cq, flags, cpu, idle, features] = [0, 4, 8, 12, 16, 20].map(|at| word32(&params, at));
        p.result_fd().arg_u32(0).u32(sq).u32(cq).u32(portable::io_uring_setup_flags(flags));
        p.u32(cpu).u32(idle).u32(portable::io_uring_features(features));
    };
    io_uring_enter SYSCALL_IO_URING_ENTER_X |c, p| {
        p.result().fd(0).arg_u32(1).arg_u32(2);
        p.u32(portable::io_uring_enter_flags(c.arg32(3))).arg_u32(4);
    };
    io_uring_register SYSCALL_IO_URING_REGISTER_X |c, p| {
        p.result().fd(0).u16(c.arg(1) as u16).arg_u64(2).arg_u32(3);
    };

    // What is done to fds.
    lseek SYSCALL_LSEEK_X |c, p| {
        p.result().fd(0).arg_u64(1).u8(portable::lseek_whence(c.arg(2)));
    };
    flock SYSCALL_FLOCK_X |c, p| { p.result().fd(0).u32(portable::flock_flags(c.arg32(1))); };
    ioctl SYSCALL_IOCTL_3_X |_, p| { p.result().fd(0).arg_u64(1).arg_u64(2); };
    splice SYSCALL_SPLICE_X |c, p| {
        p.result().fd(0).fd(2).arg_u64(4).u32(portable::splice_flags(c.arg32(5)));
    };
    copy_file_range SYSCALL_COPY_FILE_RANGE_X |_, p| {
        p.result().fd(2).arg_u64(3).fd(0).arg_u64(1).arg_u64(4);
    };
}

/// Portable `F_DUPFD` and `F_DUPFD_CLOEXEC`: what they return is an fd.
const DUPLICATES: [u8; 2] = [1, 26];

fn fd_flags(c: Call<'_>, n: usize) -> u16 {
    portable::nonblock_cloexec(c.arg32(n)) as u16
}

/// The fds that pipe(2) gave; -1 if they cannot be read.
fn pipe(c: Call<'_>, p: &mut Params<'_>) {
    let ends: Option<[u8; 8]> = c.try_read(c.arg(0));
    let [reader, writer] = match ends {
        Some(ends) => [0, 4].map(|at| i64::from(word32(&ends, at) as i32)),
        None => [-1; 2],
    };
    p.result();
    if c.failed() {
        p.i64(reader).i64(writer).u64(0);
        return;
    }
    let identity = p.process.held().and_then(|held| held.identity(reader).ok().flatten());
    p.new_fd(reader).new_fd(writer).u64(identity.map_or(0, |identity| identity.ino));
}
