//! Calls as 32-bit programs make them: through `int 0x80`, with their own numbers and layouts, and sockets
//! through socketcall(2), too.

use std::arch::asm;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::slice;

use falco_event::EventCode;

use crate::calls::{bound, close, local, ok, raw, sys};
use crate::expect::{Expected, NONE, Param, address, all, i64, tuple, u8, u16, u32, u64};
use crate::trace::trace;

/// Makes a 32-bit system call.
fn sys32<const N: usize>(number: u32, args: [u32; N]) -> i64 {
    let mut all = [0_u32; 6];
    all[..N].copy_from_slice(&args);
    let mut result = u64::from(number);
    // SAFETY: rbx and rbp, which cannot be named as operands, are restored; what the kernel may change is
    // named. The tests pass addresses of their own memory (`Low`), or such that the kernel refuses.
    unsafe {
        asm!(
            "push rbx", "push rbp",
            "mov ebx, [rdi]", "mov ecx, [rdi + 4]", "mov edx, [rdi + 8]",
            "mov esi, [rdi + 12]", "mov ebp, [rdi + 20]", "mov edi, [rdi + 16]",
            "int 0x80",
            "pop rbp", "pop rbx",
            inout("rax") result, inout("rdi") all.as_ptr() => _,
            out("rcx") _, out("rdx") _, out("rsi") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    i64::from(result as u32 as i32)
}

/// Whether the kernel has 32-bit calls; where not, the instruction kills the process.
fn has_compat() -> bool {
    // SAFETY: the child makes two system calls and nothing else.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let pid = sys32(20, []);
        // SAFETY: it ends without running anything of the parent's.
        unsafe { libc::_exit(i32::from(pid <= 0)) };
    }
    let mut status = -1;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    let has = waited == child && status == 0;
    if !has {
        eprintln!(
            "IGNORED: events of 32-bit calls, because this kernel has none (CONFIG_IA32_EMULATION)"
        );
    }
    has
}

/// Memory that has 32-bit addresses.
struct Low {
    base: usize,
    used: usize,
}

impl Low {
    const LEN: usize = 1 << 16;

    fn new() -> Self {
        let (protection, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
        );
        let args = [0, Self::LEN, protection as usize, flags as usize, usize::MAX, 0];
        Low { base: ok(libc::SYS_mmap, args), used: 0 }
    }

    /// Puts bytes there: their address.
    fn put(&mut self, bytes: &[u8]) -> u32 {
        let at = self.base + self.used;
        self.used = (self.used + bytes.len()).next_multiple_of(8);
        assert!(self.used <= Self::LEN);
        // SAFETY: the mapping is this long, is writable and belongs to nobody else.
        unsafe { slice::from_raw_parts_mut(at as *mut u8, bytes.len()) }.copy_from_slice(bytes);
        u32::try_from(at).unwrap()
    }

    fn put_words(&mut self, words: &[u32]) -> u32 {
        self.put(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
    }

    /// An array of `struct iovec`.
    fn vector(&mut self, buffers: &[&[u8]]) -> u32 {
        let entries: Vec<u32> =
            buffers.iter().flat_map(|buffer| [self.put(buffer), buffer.len() as u32]).collect();
        self.put_words(&entries)
    }
}

impl Drop for Low {
    fn drop(&mut self) {
        sys(libc::SYS_munmap, [self.base, Self::LEN]);
    }
}

/// Functions of socketcall(2), and the call of the same meaning.
const SOCKET: (u32, u32) = (1, 359);
const BIND: (u32, u32) = (2, 361);
const CONNECT: (u32, u32) = (3, 362);
const LISTEN: (u32, u32) = (4, 363);
const ACCEPT: u32 = 5;
const SOCKETPAIR: (u32, u32) = (8, 360);
const SEND: u32 = 9;
const RECV: u32 = 10;
const SENDTO: (u32, u32) = (11, 369);
const RECVFROM: (u32, u32) = (12, 371);
const SHUTDOWN: (u32, u32) = (13, 373);
const SETSOCKOPT: (u32, u32) = (14, 366);
const GETSOCKOPT: (u32, u32) = (15, 365);
const SENDMSG: (u32, u32) = (16, 370);
const RECVMSG: (u32, u32) = (17, 372);
const ACCEPT4: (u32, u32) = (18, 364);
const RECVMMSG: (u32, u32) = (19, 337);
const SENDMMSG: (u32, u32) = (20, 345);

/// Both ways to call what is about sockets.
#[derive(Clone, Copy, Debug)]
enum Way {
    Direct,
    SocketCall,
}

const WAYS: [Way; 2] = [Way::Direct, Way::SocketCall];

impl Way {
    fn call<const N: usize>(
        self,
        low: &mut Low,
        (function, number): (u32, u32),
        args: [u32; N],
    ) -> i64 {
        match self {
            Way::Direct => sys32(number, args),
            Way::SocketCall => socketcall(low, function, args),
        }
    }
}

fn socketcall<const N: usize>(low: &mut Low, function: u32, args: [u32; N]) -> i64 {
    // What lies behind the arguments is none of anybody's business.
    let args = [&args[..], &[0x5555_5555; 6]].concat();
    let args = low.put_words(&args);
    sys32(102, [function, args])
}

fn fd(result: i64) -> u32 {
    u32::try_from(result).unwrap()
}

#[test]
fn tells_of_sockets() {
    for way in WAYS {
        let mut expected = Expected::default();
        if !has_compat() {
            return;
        }
        let calls = [
            "socket",
            "bind",
            "connect",
            "listen",
            "accept",
            "accept4",
            "shutdown",
            "socketpair",
            "setsockopt",
            "getsockopt",
            "sendto",
            "recvfrom",
        ];
        let Some(events) = trace(&calls, 80, || sockets(&mut expected, way)) else { return };
        expected.check(&events);
    }
}

fn sockets(expected: &mut Expected, way: Way) {
    let mut low = Low::new();
    let low = &mut low;
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let kind = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC) as u32;
    let mut sockets = [0; 2];
    for socket in &mut sockets {
        *socket = fd(way.call(low, SOCKET, [2, kind, 6]));
        let id = i64((*socket).into());
        expected.push(EventCode::SOCKET_SOCKET_X, [id, u32(2), u32(kind), u32(6), u32(4096)]);
    }
    let [server, client] = sockets;
    let (server_id, client_id) = (i64(server.into()), i64(client.into()));

    let one = low.put_words(&[1]);
    assert_eq!(way.call(low, SETSOCKOPT, [server, 1, 2, one, 4]), 0);
    let (yes, four) = (all(&[u8(2), u32(1)]), u32(4));
    expected.push(
        EventCode::SOCKET_SETSOCKOPT_X,
        [i64(0), server_id.clone(), u8(1), u8(2), yes.clone(), four.clone()],
    );
    let room = low.put_words(&[4]);
    assert_eq!(way.call(low, GETSOCKOPT, [server, 1, 2, one, room]), 0);
    expected
        .push(EventCode::SOCKET_GETSOCKOPT_X, [i64(0), server_id.clone(), u8(1), u8(2), yes, four]);
    // Times of two sizes.
    for (option, time, len) in [(20, &[2, 500][..], 8), (66, &[2, 0, 500, 0], 16)] {
        let time = low.put_words(time);
        assert_eq!(way.call(low, SETSOCKOPT, [client, 1, option, time, len]), 0);
        let value = all(&[u8(4), u64(2_000_500_000)]);
        expected.push(
            EventCode::SOCKET_SETSOCKOPT_X,
            [i64(0), client_id.clone(), u8(1), u8(20), value, u32(len)],
        );
    }

    let bytes = low.put(&raw(any));
    assert_eq!(way.call(low, BIND, [server, bytes, 16]), 0);
    expected.push(EventCode::SOCKET_BIND_X, [i64(0), address(any), server_id.clone()]);
    assert_eq!(way.call(low, LISTEN, [server, 3]), 0);
    expected.push(EventCode::SOCKET_LISTEN_X, [i64(0), server_id, u32(3)]);

    let to = local(server as usize);
    let bytes = low.put(&raw(to));
    assert_eq!(way.call(low, CONNECT, [client, bytes, 16]), 0);
    let ends = tuple(local(client as usize), to);
    expected.push(EventCode::SOCKET_CONNECT_E, [client_id.clone(), address(to)]);
    expected
        .push(EventCode::SOCKET_CONNECT_X, [i64(0), ends.clone(), client_id.clone(), address(to)]);
    let accepted = fd(way.call(low, ACCEPT4, [server, 0, 0, libc::SOCK_CLOEXEC as u32]));
    let accepted_id = i64(accepted.into());
    expected.push(
        EventCode::SOCKET_ACCEPT4_6_X,
        [accepted_id.clone(), ends.clone(), u8(0), u32(0), u32(3), u32(4096)],
    );
    let result = socketcall(low, ACCEPT, [9999, 0, 0]);
    expected.push(EventCode::SOCKET_ACCEPT_5_X, [i64(result), NONE, u8(0), u32(0), u32(0)]);

    // send and recv are sendto and recvfrom without a name.
    let (data, buffer) = (low.put(b"data"), low.put(&[0; 64]));
    let sent = match way {
        Way::Direct => way.call(low, SENDTO, [client, data, 4, 0, 0, 0]),
        Way::SocketCall => socketcall(low, SEND, [client, data, 4, 0]),
    };
    assert_eq!(sent, 4);
    expected.push(
        EventCode::SOCKET_SENDTO_X,
        [i64(4), b"data".to_vec(), client_id.clone(), u32(4), ends.clone()],
    );
    let received = match way {
        Way::Direct => way.call(low, RECVFROM, [accepted, buffer, 64, 0, 0, 0]),
        Way::SocketCall => socketcall(low, RECV, [accepted, buffer, 64, 0]),
    };
    assert_eq!(received, 4);
    expected.push(
        EventCode::SOCKET_RECVFROM_X,
        [i64(4), b"data".to_vec(), ends, accepted_id.clone(), u32(64)],
    );
    assert_eq!(way.call(low, SHUTDOWN, [accepted, 1]), 0);
    expected.push(EventCode::SOCKET_SHUTDOWN_X, [i64(0), accepted_id, u8(1)]);
    let fds = low.put(&[0; 8]);
    let result = way.call(low, SOCKETPAIR, [2, 1, 0, fds]);
    assert_eq!(result, -i64::from(libc::EOPNOTSUPP));
    let (none, unset) = (i64(-1), u64(0));
    expected.push(
        EventCode::SOCKET_SOCKETPAIR_X,
        [i64(result), none.clone(), none, unset.clone(), unset, u32(2), u32(1), u32(0)],
    );
    for fd in [server, client, accepted] {
        close(fd as usize);
    }
}

#[test]
fn tells_of_messages() {
    for way in WAYS {
        let mut expected = Expected::default();
        if !has_compat() {
            return;
        }
        let calls = ["sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg"];
        let Some(events) = trace(&calls, 80, || messages(&mut expected, way)) else { return };
        expected.check(&events);
    }
}

fn messages(expected: &mut Expected, way: Way) {
    let mut low = Low::new();
    let low = &mut low;
    let ((server, to), (client, from)) =
        (bound("::1", libc::SOCK_DGRAM), bound("::1", libc::SOCK_DGRAM));
    let (server, client) = (server as u32, client as u32);
    let (server_id, client_id) = (i64(server.into()), i64(client.into()));
    let ends = tuple(from, to);
    let (name, len) = (low.put(&raw(to)), raw(to).len() as u32);
    let (sender, sender_len) = (low.put(&[0; 28]), low.put_words(&[28]));
    let buffer = low.put(&[0; 64]);

    let data = low.put(b"data");
    assert_eq!(way.call(low, SENDTO, [client, data, 4, 0, name, len]), 4);
    expected.push(
        EventCode::SOCKET_SENDTO_X,
        [i64(4), b"data".to_vec(), client_id.clone(), u32(4), ends.clone()],
    );
    assert_eq!(way.call(low, RECVFROM, [server, buffer, 64, 0, sender, sender_len]), 4);
    expected.push(
        EventCode::SOCKET_RECVFROM_X,
        [i64(4), b"data".to_vec(), ends.clone(), server_id.clone(), u32(64)],
    );

    let vector = low.vector(&[b"one", b"", b"two"]);
    let header = low.put_words(&[name, len, vector, 3, 0, 0, 0]);
    assert_eq!(way.call(low, SENDMSG, [client, header, 0]), 6);
    let data = b"onetwo".to_vec();
    expected.push(
        EventCode::SOCKET_SENDMSG_X,
        [i64(6), data.clone(), client_id.clone(), u32(6), ends.clone()],
    );
    let room = low.put_words(&[buffer, 64]);
    let header = low.put_words(&[sender, 28, room, 1, 0, 0, 0]);
    assert_eq!(way.call(low, RECVMSG, [server, header, 0]), 6);
    expected.push(
        EventCode::SOCKET_RECVMSG_X,
        [i64(6), u32(6), data, ends.clone(), NONE, server_id.clone()],
    );

    // Three at once; the first one has no name, and so nowhere to go, in the second turn.
    let vectors = [low.vector(&[b"first"]), low.vector(&[b"second"]), low.vector(&[b"th", b"ird"])];
    let counts = [1, 1, 2];
    let headers: Vec<u32> =
        (0..3).flat_map(|i| [name, len, vectors[i], counts[i], 0, 0, 0, 0]).collect();
    let headers = low.put_words(&headers);
    assert_eq!(way.call(low, SENDMMSG, [client, headers, 3, 0]), 3);
    for text in ["first", "second", "third"] {
        let (len, data) = (text.len() as u32, text.as_bytes().to_vec());
        expected.push(
            EventCode::SOCKET_SENDMMSG_X,
            [i64(len.into()), client_id.clone(), u32(len), data, ends.clone()],
        );
    }
    let headers: Vec<u32> = (0..3)
        .flat_map(|_| {
            let (sender, buffer) = (low.put(&[0; 28]), low.put(&[0; 64]));
            let room = low.put_words(&[buffer, 64]);
            [sender, 28, room, 1, 0, 0, 0, 0]
        })
        .collect();
    let headers = low.put_words(&headers);
    assert_eq!(way.call(low, RECVMMSG, [server, headers, 3, libc::MSG_DONTWAIT as u32, 0]), 3);
    for text in ["first", "second", "third"] {
        let (len, data) = (text.len() as u32, text.as_bytes().to_vec());
        expected.push(
            EventCode::SOCKET_RECVMMSG_X,
            [i64(len.into()), server_id.clone(), u32(len), data, ends.clone(), NONE],
        );
    }
    close(server as usize);
    close(client as usize);
}

#[test]
fn tells_what_is_read_and_written() {
    let mut expected = Expected::default();
    let calls = [
        "read", "write", "pread64", "pwrite64", "readv", "writev", "preadv", "pwritev", "sendfile",
    ];
    if !has_compat() {
        return;
    }
    let Some(events) = trace(&calls, 80, || reading_and_writing(&mut expected)) else { return };
    expected.check(&events);
}

fn reading_and_writing(expected: &mut Expected) {
    let mut low = Low::new();
    let low = &mut low;
    let file = tempfile::tempfile().unwrap();
    let (fd, id) = (file.as_raw_fd() as u32, i64(file.as_raw_fd().into()));
    let (text, buffer) = (low.put(b"0123456789"), low.put(&[0; 64]));
    let (ten, told) = (u32(10), b"0123456789".to_vec());
    assert_eq!(sys32(4, [fd, text, 10]), 10);
    expected.push(EventCode::SYSCALL_WRITE_X, [i64(10), told.clone(), id.clone(), ten.clone()]);
    assert_eq!(sys32(3, [fd, buffer, 64]), 0);
    expected.push(EventCode::SYSCALL_READ_X, [i64(0), NONE, id.clone(), u32(64)]);
    // Positions beyond 32 bits.
    let (position, high) = (u64(5 << 32 | 3), 5);
    assert_eq!(sys32(181, [fd, text, 10, 3, high]), 10);
    expected.push(
        EventCode::SYSCALL_PWRITE_X,
        [i64(10), told.clone(), id.clone(), ten.clone(), position.clone()],
    );
    assert_eq!(sys32(180, [fd, buffer, 10, 3, high]), 10);
    expected.push(
        EventCode::SYSCALL_PREAD_X,
        [i64(10), told.clone(), id.clone(), ten.clone(), position.clone()],
    );
    let vector = low.vector(&[b"01234", b"", b"56789"]);
    assert_eq!(sys32(334, [fd, vector, 3, 3, high]), 10);
    expected.push(
        EventCode::SYSCALL_PWRITEV_X,
        [i64(10), told.clone(), id.clone(), ten.clone(), position.clone()],
    );
    assert_eq!(sys32(146, [fd, vector, 3]), 10);
    expected.push(EventCode::SYSCALL_WRITEV_X, [i64(10), told.clone(), id.clone(), ten.clone()]);
    let room = low.put_words(&[buffer, 4, buffer + 4, 60]);
    assert_eq!(sys32(333, [fd, room, 2, 3, high]), 10);
    expected.push(
        EventCode::SYSCALL_PREADV_X,
        [i64(10), ten.clone(), told.clone(), id.clone(), position],
    );
    sys(libc::SYS_lseek, [fd as usize, 0, 0]);
    let room = low.put_words(&[buffer, 4, buffer + 4, 6]);
    assert_eq!(sys32(145, [fd, room, 2]), 10);
    expected.push(EventCode::SYSCALL_READV_X, [i64(10), ten, told, id.clone()]);
    // An offset of 32 bits, and one of 64; what lies behind the first is not part of it.
    let other = tempfile::tempfile().unwrap();
    let (to, to_id) = (other.as_raw_fd() as u32, i64(other.as_raw_fd().into()));
    for (number, offset) in [(187, [2, 77]), (239, [2, 0])] {
        let offset = low.put_words(&offset);
        assert_eq!(sys32(number, [to, fd, offset, 5]), 5);
        expected.push(
            EventCode::SYSCALL_SENDFILE_X,
            [i64(5), u64(7), to_id.clone(), id.clone(), u64(5)],
        );
    }
}

#[test]
fn tells_of_waiting() {
    let mut expected = Expected::default();
    if !has_compat() {
        return;
    }
    let Some(events) = trace(&["poll", "ppoll", "select", "epoll_wait"], 80, || {
        let mut low = Low::new();
        let list = low.put_words(&[999, 0x0001]);
        // One fd, which is none.
        let told: Param = all(&[u16(1), i64(999), u16(64)]);
        assert_eq!(sys32(168, [list, 1, u32::MAX]), 1);
        expected.push(EventCode::SYSCALL_POLL_X, [i64(1), told.clone(), i64(-1)]);
        let signals = low.put_words(&[1 << 9, 0]);
        for (number, time) in [(309, &[7, 9][..]), (414, &[7, 0, 9, 0])] {
            // The kernel leaves the time that was left: seconds would have to go by to change it.
            let time = low.put_words(time);
            assert_eq!(sys32(number, [list, 1, time, signals, 8]), 1);
            let left = low.at(time, if number == 309 { 4 } else { 8 });
            expected
                .push(EventCode::SYSCALL_PPOLL_X, [i64(1), told.clone(), u64(left), u32(1 << 9)]);
        }
        let none = low.put_words(&[0, 0]);
        assert_eq!(sys32(142, [0, 0, 0, 0, none]), 0);
        expected.push(EventCode::SYSCALL_SELECT_X, [i64(0)]);
        let result = sys32(256, [9999, list, 3, 0]);
        expected.push(EventCode::SYSCALL_EPOLLWAIT_X, [i64(result), i64(3)]);
    }) else {
        return;
    };
    expected.check(&events);
}

impl Low {
    /// The nanoseconds that a `struct timespec` of two numbers of `width` bytes holds now.
    fn at(&self, address: u32, width: usize) -> u64 {
        // SAFETY: `put` gave the address, of as many bytes.
        let bytes = unsafe { slice::from_raw_parts(address as usize as *const u8, 2 * width) };
        let number = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes[..4].try_into().unwrap()));
        number(bytes) * 1_000_000_000 + number(&bytes[width..])
    }
}
