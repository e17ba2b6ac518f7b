//! System calls, bare: no wrapper may add or leave out one.

use std::net::SocketAddr;

/// An address that nothing is mapped at.
pub const BAD: usize = 0x10;

/// Makes a system call: what the kernel returns, errors as negative numbers.
pub fn sys<const N: usize>(number: libc::c_long, args: [usize; N]) -> i64 {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&args);
    let [a, b, c, d, e, f] = all;
    // SAFETY: the tests pass pointers to live buffers of the lengths that they name, or pointers that the
    // kernel refuses.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 {
        // SAFETY: it points to this thread's errno.
        return -i64::from(unsafe { *libc::__errno_location() });
    }
    result
}

/// The same for calls that must not fail; the result is an fd mostly.
pub fn ok<const N: usize>(number: libc::c_long, args: [usize; N]) -> usize {
    let result = sys(number, args);
    usize::try_from(result).unwrap_or_else(|_| panic!("system call {number}: {result}"))
}

pub fn tid() -> i64 {
    sys(libc::SYS_gettid, [])
}

pub fn close(fd: usize) {
    ok(libc::SYS_close, [fd]);
}

pub fn at<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>() as usize
}

/// The address of something that the kernel writes to.
pub fn out<T: ?Sized>(value: &mut T) -> usize {
    std::ptr::from_mut(value).cast::<u8>() as usize
}

/// An address as `struct sockaddr_in` or `struct sockaddr_in6`.
pub fn raw(addr: SocketAddr) -> Vec<u8> {
    let port = addr.port().to_be_bytes();
    match addr {
        SocketAddr::V4(addr) => {
            [&2_u16.to_le_bytes()[..], &port, &addr.ip().octets(), &[0; 8]].concat()
        }
        SocketAddr::V6(addr) => {
            [&10_u16.to_le_bytes()[..], &port, &[0; 4], &addr.ip().octets(), &[0; 4]].concat()
        }
    }
}

/// The address that a `struct sockaddr_in` or `struct sockaddr_in6` is.
pub fn parsed(raw: &[u8]) -> SocketAddr {
    let port = u16::from_be_bytes([raw[2], raw[3]]);
    if raw[0] == 2 {
        let ip: [u8; 4] = raw[4..8].try_into().unwrap();
        return (ip, port).into();
    }
    let ip: [u8; 16] = raw[8..24].try_into().unwrap();
    (ip, port).into()
}

/// The local address of a socket.
pub fn local(fd: usize) -> SocketAddr {
    let (mut buffer, mut len) = ([0_u8; 28], 28_u32);
    ok(libc::SYS_getsockname, [fd, out(&mut buffer), out(&mut len)]);
    parsed(&buffer)
}

/// A socket that is bound to an address of this host, at a free port.
pub fn bound(ip: &str, kind: i32) -> (usize, SocketAddr) {
    let wanted = SocketAddr::new(ip.parse().unwrap(), 0);
    let domain = if wanted.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let fd = ok(libc::SYS_socket, [domain as usize, kind as usize, 0]);
    let address = raw(wanted);
    ok(libc::SYS_bind, [fd, at(address.as_slice()), address.len()]);
    (fd, local(fd))
}

/// `struct iovec`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Iovec {
    pub base: usize,
    pub len: usize,
}

pub fn iovec(buffer: &[u8]) -> Iovec {
    Iovec { base: buffer.as_ptr() as usize, len: buffer.len() }
}

/// `struct user_msghdr`, and `struct mmsghdr`, of which it is the beginning.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Message {
    pub name: usize,
    pub name_len: u32,
    pub pad: u32,
    pub vector: usize,
    pub count: usize,
    pub control: usize,
    pub control_len: usize,
    pub flags: u64,
    /// Only the calls for many messages have it.
    pub len: u64,
}

impl Message {
    pub fn new(vector: &[Iovec]) -> Self {
        Message { vector: vector.as_ptr() as usize, count: vector.len(), ..Message::default() }
    }

    pub fn named(self, name: &[u8]) -> Self {
        Message { name: name.as_ptr() as usize, name_len: name.len() as u32, ..self }
    }

    pub fn control(self, control: &[u8]) -> Self {
        Message { control: control.as_ptr() as usize, control_len: control.len(), ..self }
    }
}
