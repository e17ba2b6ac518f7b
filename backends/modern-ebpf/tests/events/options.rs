//! Socket options and their values.

use falco_event::EventCode;

use crate::calls::{BAD, at, close, ok, out, sys};
use crate::expect::{Expected, NONE, Param, all, i64, u8, u32, u64};
use crate::trace::trace;

const SOL_SOCKET: i32 = libc::SOL_SOCKET;

/// Types of values, as their first byte.
const BYTES: u8 = 0;
const ERRNO: u8 = 1;
const U32: u8 = 2;
const U64: u8 = 3;
const TIME: u8 = 4;

fn value(kind: u8, bytes: Param) -> Param {
    all(&[u8(kind), bytes])
}

struct Options<'a> {
    fd: usize,
    expected: &'a mut Expected,
}

impl Options<'_> {
    /// Sets an option that events know by two numbers.
    fn set(
        &mut self,
        option: (i32, i32),
        told: (u8, u8),
        from: usize,
        len: usize,
        value: Param,
    ) -> i64 {
        let args = [self.fd, option.0 as usize, option.1 as usize, from, len];
        let result = sys(libc::SYS_setsockopt, args);
        let (fd, len) = (i64(self.fd as i64), u32(len as u32));
        let params = [i64(result), fd, u8(told.0), u8(told.1), value, len];
        self.expected.push(EventCode::SOCKET_SETSOCKOPT_X, params);
        result
    }

    /// Asks for an option with room for as many bytes as `bytes` has; `told` is given those that came.
    fn get(
        &mut self,
        option: (i32, i32),
        told: (u8, u8),
        bytes: &mut [u8],
        kind: u8,
        is: fn(&[u8]) -> Param,
    ) -> i64 {
        let mut len = bytes.len() as u32;
        let args = [self.fd, option.0 as usize, option.1 as usize, out(bytes), out(&mut len)];
        let result = sys(libc::SYS_getsockopt, args);
        let came = is(&bytes[..len as usize]);
        let (fd, len) = (i64(self.fd as i64), u32(len));
        let params = [i64(result), fd, u8(told.0), u8(told.1), value(kind, came), len];
        self.expected.push(EventCode::SOCKET_GETSOCKOPT_X, params);
        result
    }
}

#[test]
fn tells_options_and_their_values() {
    let mut expected = Expected::default();
    let Some(events) = trace(&["setsockopt", "getsockopt"], 80, || {
        let fd = ok(libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_STREAM as usize, 0]);
        let mut options = Options { fd, expected: &mut expected };
        let one = 1_u32;
        let number = value(U32, u32(1));
        assert_eq!(options.set((SOL_SOCKET, libc::SO_REUSEADDR), (1, 2), at(&one), 4, number), 0);
        let bytes = value(BYTES, u32(1));
        assert_eq!(options.set((libc::IPPROTO_TCP, 1), (2, 0), at(&one), 4, bytes.clone()), 0);
        assert_eq!(options.set((libc::IPPROTO_IP, 1), (0, 0), at(&one), 4, bytes), 0);
        let time = [2_u64, 345_678];
        for (option, told) in [(20, 20), (21, 21), (66, 20), (67, 21)] {
            let told_time = value(TIME, u64(2_345_678_000));
            assert_eq!(options.set((SOL_SOCKET, option), (1, told), at(&time), 16, told_time), 0);
        }
        let linger = [1_u32, 5];
        let told = value(BYTES, all(&[u32(1), u32(5)]));
        assert_eq!(options.set((SOL_SOCKET, libc::SO_LINGER), (1, 13), at(&linger), 8, told), 0);

        let mut number = [0; 4];
        let as_is = |bytes: &[u8]| bytes.to_vec();
        let told = |bytes: &[u8]| u64(0_u64.wrapping_sub(bytes[0].into()));
        assert_eq!(options.get((SOL_SOCKET, libc::SO_ERROR), (1, 4), &mut number, ERRNO, told), 0);
        assert_eq!(options.get((SOL_SOCKET, libc::SO_TYPE), (1, 3), &mut number, U32, as_is), 0);
        assert_eq!(number, u32(libc::SOCK_STREAM as u32).as_slice());
        let mut cookie = [0; 8];
        assert_eq!(options.get((SOL_SOCKET, 57), (1, 53), &mut cookie, U64, as_is), 0);
        assert_ne!(cookie, [0; 8]);
        let mut credentials = [0; 12];
        let option = (SOL_SOCKET, libc::SO_PEERCRED);
        assert_eq!(options.get(option, (1, 17), &mut credentials, BYTES, as_is), 0);
        let mut time = [0; 16];
        let told = |_: &[u8]| u64(2_346_000_000);
        let result = options.get((SOL_SOCKET, 20), (1, 20), &mut time, TIME, told);
        // The kernel counts in its own ticks.
        assert_eq!((result, time[0]), (0, 2));
        close(fd);
    }) else {
        return;
    };
    // The time that came back is in ticks; how long one is, is the kernel's own choice.
    let (last, before) = events.split_last().unwrap();
    let given = u64::from_le_bytes(last.params[4][1..].try_into().unwrap());
    assert_eq!(last.params[4][0], TIME);
    assert!((2_340_000_000..2_360_000_000).contains(&given), "{given}");
    expected.without_last().check(before);
}

#[test]
fn tells_of_options_that_are_refused() {
    let mut expected = Expected::default();
    let Some(events) = trace(&["setsockopt", "getsockopt"], 80, || {
        let fd = ok(libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_STREAM as usize, 0]);
        let mut options = Options { fd, expected: &mut expected };
        // No such level or option, no bytes, bytes that cannot be read.
        let data = [7_u8; 8192];
        assert!(options.set((77, 5), (0, 0), at(&data), 3, value(BYTES, vec![7; 3])) < 0);
        assert!(
            options.set((SOL_SOCKET, 1000), (1, 0), at(&data), 4, value(BYTES, vec![7; 4])) < 0
        );
        assert!(options.set((-1, -1), (0, 0), at(&data), 0, value(BYTES, NONE)) < 0);
        let reuse = (SOL_SOCKET, libc::SO_REUSEADDR);
        assert!(options.set(reuse, (1, 2), BAD, 4, value(U32, u32(0))) < 0);
        assert!(
            options.set((SOL_SOCKET, libc::SO_LINGER), (1, 13), BAD, 8, value(BYTES, NONE)) < 0
        );
        // Fewer bytes than the number has, and more than anybody wants to see.
        assert!(options.set(reuse, (1, 2), at(&data), 2, value(U32, u32(0x0707))) < 0);
        let cut = value(BYTES, vec![7; 4096]);
        assert!(options.set((77, 5), (0, 0), at(&data), 70_000, cut) < 0);
        // What is left where nothing came.
        let mut number = 5_u32.to_le_bytes();
        options.fd = 9999;
        let as_is = |bytes: &[u8]| bytes.to_vec();
        assert!(options.get(reuse, (1, 2), &mut number, U32, as_is) < 0);
        let result = sys(libc::SYS_getsockopt, [fd, 1, 2, at(&number), BAD]);
        assert!(result < 0);
        options.expected.push(
            EventCode::SOCKET_GETSOCKOPT_X,
            [i64(result), i64(fd as i64), u8(1), u8(2), value(U32, u32(0)), u32(0)],
        );
        close(fd);
    }) else {
        return;
    };
    expected.check(&events);
}
