//! Waiting for fds: poll, ppoll, select, epoll_wait.

use falco_event::portable;

use super::decoders;
use crate::calls::params::{Call, Params, word16, word32};

decoders! {
    poll SYSCALL_POLL_X |c, p| { p.result(); fds(c, p); p.i64(c.int(2).into()); };
    ppoll SYSCALL_PPOLL_X |c, p| { p.result(); fds(c, p); p.u64(c.timespec(2)).u32(c.u32_at(3)); };
    select SYSCALL_SELECT_X |_, p| { p.result(); };
    epoll_wait SYSCALL_EPOLLWAIT_X |_, p| { p.result().num(2); };
}

/// Fds that events hold, at most.
const MOST: usize = 16;

/// A parameter: how many fds there are, then each of them with the events that came (struct pollfd of
/// `include/uapi/asm-generic/poll.h`).
fn fds(c: Call<'_>, p: &mut Params<'_>) {
    let mut raw = [0; 8 * MOST];
    let count = (c.arg32(1) as usize).min(MOST);
    let list = raw.get_mut(..8 * count).unwrap_or_default();
    let count = if c.memory.read_exact(c.arg(0), list) { count } else { 0 };
    let mut to = p.take_buffer();
    to.extend_from_slice(&(count as u16).to_le_bytes());
    for fd in raw.chunks_exact(8).take(count) {
        to.extend_from_slice(&i64::from(word32(fd, 0) as i32).to_le_bytes());
        to.extend_from_slice(&portable::poll_flags(word16(fd, 6)).to_le_bytes());
    }
    p.put_buffer(to);
}
