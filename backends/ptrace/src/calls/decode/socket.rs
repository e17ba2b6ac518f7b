//! Sockets but for the data that go through them (`message`): made, named, connected, accepted, asked,
//! shut down.

use falco_event::portable;

use super::decoders;
use super::sockopt::option;
use crate::calls::params::{Call, Params, word32};
use crate::calls::tuple::{self, Direction, MAX_ADDRESS, Name};

decoders! {
    socket SOCKET_SOCKET_X |c, p| {
        p.result_fd().u32(portable::socket_family(c.arg32(0))).arg_u32(1).arg_u32(2);
        p.u32(socket_flags(c.arg32(1)));
    };
    socketpair SOCKET_SOCKETPAIR_X socketpair;
    bind SOCKET_BIND_X |c, p| { p.result(); address(c, p, 1); p.fd(0); };
    connect SOCKET_CONNECT_X connect;
    listen SOCKET_LISTEN_X |_, p| { p.result().fd(0).arg_u32(1); };
    accept SOCKET_ACCEPT_5_X accepted;
    accept4 SOCKET_ACCEPT4_6_X |c, p| { accepted(c, p); p.u32(socket_flags(c.arg32(3))); };
    getsockname SOCKET_GETSOCKNAME_X |_, _| {};
    getpeername SOCKET_GETPEERNAME_X |_, _| {};
    shutdown SOCKET_SHUTDOWN_X |c, p| { p.result().fd(0).u8(portable::shutdown_how(c.arg32(1))); };
    setsockopt SOCKET_SETSOCKOPT_X |c, p| {
        let len = c.arg32(4);
        p.result().fd(0);
        option(c, p, len);
        p.u32(len);
    };
    getsockopt SOCKET_GETSOCKOPT_X |c, p| {
        let len = c.u32_at(4);
        p.result().fd(0);
        option(c, p, len);
        p.u32(len);
    };
}

const EINPROGRESS: i64 = 115;

/// SOCK_NONBLOCK and SOCK_CLOEXEC are the O_ flags.
fn socket_flags(flags: u32) -> u32 {
    portable::nonblock_cloexec(flags)
}

fn socketpair(c: Call<'_>, p: &mut Params<'_>) {
    let fds: Option<[u8; 8]> = if c.ret() == 0 { c.try_read(c.arg(3)) } else { None };
    p.result();
    match fds {
        Some(fds) => [0, 4].into_iter().for_each(|at| {
            p.new_fd((word32(&fds, at) as i32).into());
        }),
        None => _ = p.i64(-1).i64(-1),
    }
    // Kernel addresses are not to be seen.
    p.u64(0).u64(0).u32(portable::socket_family(c.arg32(0))).arg_u32(1).arg_u32(2);
}

/// The bytes of an address that the caller passes.
fn read_address(c: Call<'_>, (address, len): (u64, u32), to: &mut [u8; MAX_ADDRESS]) -> usize {
    let len = (len as usize).min(MAX_ADDRESS);
    to.get_mut(..len).map_or(0, |to| c.memory.read(address, to))
}

/// A parameter: an address, arguments `n` and `n + 1`.
fn address(c: Call<'_>, p: &mut Params<'_>, n: usize) {
    let mut bytes = [0; MAX_ADDRESS];
    let len = read_address(c, (c.arg(n), c.arg32(n + 1)), &mut bytes);
    let mut to = p.take_buffer();
    if let Some(name) = bytes.get(..len).and_then(Name::new) {
        name.write(&mut to);
    }
    p.put_buffer(to);
}

/// A parameter: the tuple of socket `fd`. `name` is an address in memory, which may be NULL.
pub(super) fn put_tuple(
    c: Call<'_>,
    p: &mut Params<'_>,
    fd: i64,
    name: (u64, u32),
    direction: Direction,
) {
    let mut bytes = [0; MAX_ADDRESS];
    let len = if name.0 == 0 { 0 } else { read_address(c, name, &mut bytes) };
    put_tuple_with(p, fd, bytes.get(..len).and_then(Name::new), direction);
}

fn put_tuple_with(p: &mut Params<'_>, fd: i64, name: Option<Name<'_>>, direction: Direction) {
    let mut to = p.take_buffer();
    match (p.ends(fd), name) {
        (Some(ends), name) => tuple::write(&mut to, ends, name, direction),
        (None, Some(name)) => tuple::write_named(&mut to, name, direction),
        (None, None) => {}
    }
    p.put_buffer(to);
}

fn connect(c: Call<'_>, p: &mut Params<'_>) {
    let fd = c.int(0).into();
    p.result();
    if c.ret() == 0 || c.ret() == -EINPROGRESS {
        let mut bytes = [0; MAX_ADDRESS];
        let len = read_address(c, (c.arg(1), c.arg32(2)), &mut bytes);
        // For protocols that tell the socket only later, and where the socket cannot be asked.
        let name = bytes.get(..len).and_then(Name::new);
        let name = name.filter(|name| name.is_destination());
        put_tuple_with(p, fd, name, Direction::Connecting);
    } else {
        p.empty();
    }
    p.fd(0);
    address(c, p, 1);
}

/// Parameters fd to queuemax: the new socket, and the connections that wait at the listening one, which
/// are not to be seen from outside.
fn accepted(c: Call<'_>, p: &mut Params<'_>) {
    let fd = c.ret();
    p.result_fd();
    if fd < 0 {
        p.empty();
    } else {
        let len = if c.arg(1) == 0 { 0 } else { c.u32_at(2) };
        // Of a connection the socket knows both ends, whatever the caller was told.
        let name = if p.ends(fd).is_some() { (0, 0) } else { (c.arg(1), len) };
        put_tuple(c, p, fd, name, Direction::Incoming);
    }
    p.u8(0).u32(0).u32(0);
}
