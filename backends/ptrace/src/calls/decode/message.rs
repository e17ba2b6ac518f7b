//! What goes through sockets: sendto, sendmsg, sendmmsg, recvfrom, recvmsg and recvmmsg.

use super::decoders;
use super::io::{bytes_read, bytes_written, vector_data, vector_size, written_of};
use super::socket::put_tuple;
use crate::calls::params::{Call, Params, word32, word64};
use crate::calls::tuple::Direction::{self, Incoming, Outgoing};

decoders! {
    sendto SOCKET_SENDTO_X |c, p| {
        let size = c.arg32(2);
        p.result().data(c.arg(1), bytes_written(c, size.into())).fd(0).u32(size);
        tuple_of_call(c, p, (c.arg(4), c.arg32(5)), Outgoing);
    };
    sendmsg SOCKET_SENDMSG_X |c, p| {
        let header = Header::read(c, c.arg(1));
        let known = header.unwrap_or_default();
        p.result();
        let size = vector_data(c, p, known.vector, bytes_written(c, u64::MAX));
        p.fd(0);
        if header.is_some() { p.u32(size as u32) } else { p.empty() };
        tuple_of_call(c, p, known.name, Outgoing);
    };
    sendmmsg SOCKET_SENDMMSG_X |c, p| many(c, p, |c, p, message| {
        p.i64(message.len.into()).fd(0);
        p.u32(vector_size(c, message.header.vector) as u32);
        vector_data(c, p, message.header.vector, written_of(message.len.into(), u64::MAX));
        put_tuple(c, p, c.int(0).into(), message.header.name, Outgoing);
    }, |p| { p.empty().empty(); });
    recvfrom SOCKET_RECVFROM_X |c, p| {
        let len = if c.arg(4) == 0 { 0 } else { c.u32_at(5) };
        p.result().data(c.arg(1), bytes_read(c));
        tuple_of_call(c, p, (c.arg(4), len), Incoming);
        p.fd(0).arg_u32(2);
    };
    recvmsg SOCKET_RECVMSG_X |c, p| {
        // The header says what was received only if something was.
        let header = if c.failed() { None } else { Header::read(c, c.arg(1)) }.unwrap_or_default();
        let size = bytes_read(c);
        p.result().u32(size as u32);
        vector_data(c, p, header.vector, size);
        tuple_of_call(c, p, header.name, Incoming);
        control(p, &header);
        p.fd(0);
    };
    recvmmsg SOCKET_RECVMMSG_X |c, p| many(c, p, |c, p, message| {
        p.i64(message.len.into()).fd(0).u32(message.len);
        vector_data(c, p, message.header.vector, message.len.into());
        put_tuple(c, p, c.int(0).into(), message.header.name, Incoming);
        control(p, &message.header);
    }, |p| { p.empty().empty().empty(); });
}

/// Bytes of control messages that events hold.
const MAX_CONTROL: usize = 16_384;

/// Messages that one call takes (UIO_MAXIOV).
const MAX_MESSAGES: u64 = 1024;

/// A message as callers lay it out: struct user_msghdr (include/linux/socket.h), or struct
/// compat_msghdr (include/net/compat.h).
#[derive(Clone, Copy, Debug, Default)]
struct Header {
    name: (u64, u32),
    /// Address, and number of entries.
    vector: (u64, u64),
    control: (u64, u64),
}

impl Header {
    const BYTES: usize = 56;
    const COMPAT_BYTES: usize = 28;

    fn read(c: Call<'_>, address: u64) -> Option<Self> {
        if c.is_compat() {
            return c.try_read::<{ Header::COMPAT_BYTES }>(address).map(|raw| Header::compat(&raw));
        }
        c.try_read::<{ Header::BYTES }>(address).map(|raw| Header::native(&raw))
    }

    fn native(raw: &[u8]) -> Self {
        let word = |at| word64(raw, at);
        Header {
            name: (word(0), word32(raw, 8)),
            vector: (word(16), word(24)),
            control: (word(32), word(40)),
        }
    }

    fn compat(raw: &[u8]) -> Self {
        let word = |at| u64::from(word32(raw, at));
        Header {
            name: (word(0), word32(raw, 4)),
            vector: (word(8), word(12)),
            control: (word(16), word(20)),
        }
    }
}

/// One of many messages: struct mmsghdr.
#[derive(Clone, Copy, Debug, Default)]
struct Message {
    header: Header,
    /// Bytes that were sent or received.
    len: u32,
}

/// An event of each message that was sent or received; one event if none was.
fn many(
    c: Call<'_>,
    p: &mut Params<'_>,
    one: impl Fn(Call<'_>, &mut Params<'_>, &Message),
    no_more: impl FnOnce(&mut Params<'_>),
) {
    let count = bytes_read(c).min(MAX_MESSAGES);
    if count == 0 {
        p.result().fd(0).u32(0);
        return no_more(p);
    }
    let mut address = c.arg(1);
    for n in 0..count {
        if n > 0 {
            p.again();
        }
        let message = if c.is_compat() {
            let raw: [u8; Header::COMPAT_BYTES + 4] = c.read(address);
            address = address.wrapping_add(raw.len() as u64);
            Message { header: Header::compat(&raw), len: word32(&raw, Header::COMPAT_BYTES) }
        } else {
            let raw: [u8; Header::BYTES + 8] = c.read(address);
            address = address.wrapping_add(raw.len() as u64);
            Message { header: Header::native(&raw), len: word32(&raw, Header::BYTES) }
        };
        one(c, p, &message);
    }
}

/// A parameter: a tuple; empty if the call failed.
fn tuple_of_call(c: Call<'_>, p: &mut Params<'_>, name: (u64, u32), direction: Direction) {
    if c.failed() {
        p.empty();
    } else {
        put_tuple(c, p, c.int(0).into(), name, direction);
    }
}

/// A parameter: what came beside the data: credentials, fds.
fn control(p: &mut Params<'_>, header: &Header) {
    let (address, len) = header.control;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    p.desk.cut += u64::from(len > MAX_CONTROL);
    p.bytes_at(address, len.min(MAX_CONTROL));
}
