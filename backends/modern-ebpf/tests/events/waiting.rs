//! Waiting for fds.

use falco_event::EventCode;

use crate::calls::{BAD, at, close, ok, out, sys};
use crate::expect::{Expected, Param, all, i64, u16, u32, u64};
use crate::trace::trace;

const CALLS: &[&str] = &["poll", "ppoll", "select", "epoll_wait"];

#[repr(C)]
#[derive(Clone, Copy)]
struct PollFd {
    fd: i32,
    events: i16,
    came: i16,
}

/// Portable bits.
const IN: u16 = 1;
const OUT: u16 = 4;
const HUP: u16 = 32;
const NVAL: u16 = 64;

/// A parameter of type FDLIST.
fn fds(list: &[(i32, u16)]) -> Param {
    let pairs = list.iter().map(|&(fd, flags)| all(&[i64(fd.into()), u16(flags)]));
    all(&[u16(list.len() as u16), pairs.collect::<Vec<_>>().concat()])
}

fn pipe() -> (i32, i32) {
    let mut fds = [0_i32; 2];
    ok(libc::SYS_pipe2, [out(&mut fds), 0]);
    (fds[0], fds[1])
}

#[test]
fn tells_what_came_at_which_fd() {
    let mut expected = Expected::default();
    let Some(events) = trace(CALLS, 80, || {
        let (reader, writer) = pipe();
        let everything = libc::POLLIN | libc::POLLOUT | libc::POLLPRI | libc::POLLRDHUP;
        let wait = |fd| PollFd { fd, events: everything, came: 0x7fff };
        let mut list = [wait(reader), wait(writer), wait(999), wait(-5)];
        let result = sys(libc::SYS_poll, [out(&mut list), 4, 7]);
        assert_eq!(result, 2);
        let told = [(reader, 0), (writer, OUT), (999, NVAL), (-5, 0)];
        expected.push(EventCode::SYSCALL_POLL_X, [i64(2), fds(&told), i64(7)]);
        // Without end, since something is there already.
        sys(libc::SYS_write, [writer as usize, at("x"), 1]);
        close(writer as usize);
        let result = sys(libc::SYS_poll, [out(&mut list[..1]), 1, usize::MAX]);
        assert_eq!(result, 1);
        let told = [(reader, IN | HUP)];
        expected.push(EventCode::SYSCALL_POLL_X, [i64(1), fds(&told), i64(-1)]);
        // The first 16 of many; none; none that can be read.
        let mut many = [wait(-1); 100];
        let result = sys(libc::SYS_poll, [out(&mut many), 100, 0]);
        assert_eq!(result, 0);
        expected.push(EventCode::SYSCALL_POLL_X, [i64(0), fds(&[(-1, 0); 16]), i64(0)]);
        for (list, count) in [(0, 0), (BAD, 3), (at(&many), usize::MAX)] {
            let result = sys(libc::SYS_poll, [list, count, 0]);
            let told = if list == at(&many) { fds(&[(-1, 0); 16]) } else { fds(&[]) };
            expected.push(EventCode::SYSCALL_POLL_X, [i64(result), told, i64(0)]);
        }
        let (mut time, signals) = ([0_u64, 1_000_000], 1_u64 << 11 | 1 << 40);
        let result = sys(libc::SYS_ppoll, [out(&mut list), 1, out(&mut time), at(&signals), 8]);
        assert_eq!(result, 1);
        // The kernel leaves the time that was left; this one has been read before.
        let left = time[0] * 1_000_000_000 + time[1];
        let told = fds(&[(reader, IN | HUP)]);
        expected.push(EventCode::SYSCALL_PPOLL_X, [i64(1), told, u64(left), u32(1 << 11)]);
        let result = sys(libc::SYS_ppoll, [BAD, 1, at(&[3_u64, 5]), BAD, 8]);
        let told = fds(&[]);
        expected.push(EventCode::SYSCALL_PPOLL_X, [i64(result), told, u64(3_000_000_005), u32(0)]);
        let result = sys(libc::SYS_ppoll, [0, 0, BAD, 0, 0]);
        expected.push(EventCode::SYSCALL_PPOLL_X, [i64(result), fds(&[]), u64(0), u32(0)]);

        let mut set = [0_u64; 16];
        set[0] = 1 << reader;
        let result = sys(libc::SYS_select, [reader as usize + 1, out(&mut set), 0, 0, 0]);
        assert_eq!(result, 1);
        expected.push(EventCode::SYSCALL_SELECT_X, [i64(1)]);
        let result = sys(libc::SYS_select, [usize::MAX, 0, 0, 0, 0]);
        expected.push(EventCode::SYSCALL_SELECT_X, [i64(result)]);
        let result = sys(libc::SYS_epoll_wait, [999, at(&many), usize::MAX - 1, 0]);
        expected.push(EventCode::SYSCALL_EPOLLWAIT_X, [i64(result), i64(-2)]);
        close(reader as usize);
    }) else {
        return;
    };
    expected.check(&events);
}
