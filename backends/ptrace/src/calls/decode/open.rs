//! open, openat, openat2, creat and open_by_handle_at.
//!
//! After a successful open the fd says which file it is. Where somebody else could have changed the
//! path between the kernel's reading and ours, the file that the path leads to now is compared with
//! that; if it is another one, the path of the file that was opened is told instead.

use falco_event::portable;
use falco_proc::held::Opened;

use super::decoders;
use crate::calls::params::{Call, Params, word64};

decoders! {
    open SYSCALL_OPEN_X |c, p| {
        let opened = opened(c, p);
        let flags = c.arg32(1);
        p.result_fd();
        name(c, p, c.arg(0), None, opened);
        p.u32(portable::open_flags(flags) | opened_flags(p, flags, opened));
        p.u32(portable::open_mode(flags, c.arg32(2)));
        device_and_inode(p, opened);
    };
    openat SYSCALL_OPENAT_2_X |c, p| {
        let opened = opened(c, p);
        let flags = c.arg32(2);
        p.result_fd().num(0);
        name(c, p, c.arg(1), Some(c.int(0)), opened);
        p.u32(portable::open_flags(flags) | opened_flags(p, flags, opened));
        p.u32(portable::open_mode(flags, c.arg32(3)));
        device_and_inode(p, opened);
    };
    openat2 SYSCALL_OPENAT2_X |c, p| {
        let opened = opened(c, p);
        // struct open_how (include/uapi/linux/openat2.h).
        let how: [u8; 24] = c.read(c.arg(2));
        let [flags, mode, resolve] = [0, 8, 16].map(|at| word64(&how, at) as u32);
        p.result_fd().num(0);
        name(c, p, c.arg(1), Some(c.int(0)), opened);
        p.u32(portable::open_flags(flags) | opened_flags(p, flags, opened));
        p.u32(portable::open_mode(flags, mode)).u32(portable::resolve_flags(resolve));
        device_and_inode(p, opened);
    };
    creat SYSCALL_CREAT_X |c, p| {
        let opened = opened(c, p);
        p.result_fd();
        name(c, p, c.arg(0), None, opened);
        p.u32(portable::open_mode(O_CREAT, c.arg32(1)));
        device_and_inode(p, opened);
        p.u16(match opened.and_then(|opened| opened.is_upper) {
            None => 0,
            Some(true) => 1,
            Some(false) => 2,
        });
    };
    open_by_handle_at SYSCALL_OPEN_BY_HANDLE_AT_X |c, p| {
        let opened = opened(c, p);
        p.result_fd().num(0);
        p.u32(portable::open_flags(c.arg32(2)) | opened_flags(p, 0, opened));
        // The caller names no path.
        match opened {
            Some(_) => link(c, p),
            None => _ = p.empty(),
        }
        device_and_inode(p, opened);
    };
}

const O_CREAT: u32 = 0o100;
const O_EXCL: u32 = 0o200;
const AT_FDCWD: i32 = -100;

/// Portable flags of what was opened.
const F_CREATED: u32 = 1 << 14;
const UPPER_LAYER: u32 = 1 << 15;
const LOWER_LAYER: u32 = 1 << 16;

/// What was opened; `None` if nothing was, or it cannot be seen.
fn opened(c: Call<'_>, p: &mut Params<'_>) -> Option<Opened> {
    let fd = c.ret();
    let held = p.process.held().filter(|_| fd >= 0);
    let opened = held.and_then(|held| p.proc.opened(held, fd));
    p.opened = opened.map(|opened| opened.identity);
    opened
}

/// The bits beside the flags that the caller gave.
fn opened_flags(p: &Params<'_>, flags: u32, opened: Option<Opened>) -> u32 {
    let layer = match opened.and_then(|opened| opened.is_upper) {
        None => 0,
        Some(true) => UPPER_LAYER,
        Some(false) => LOWER_LAYER,
    };
    let is_new = flags & O_EXCL != 0 || p.existed == Some(false);
    let created = opened.is_some() && flags & O_CREAT != 0 && is_new;
    layer | if created { F_CREATED } else { 0 }
}

fn device_and_inode(p: &mut Params<'_>, opened: Option<Opened>) {
    p.u32(opened.map_or(0, |opened| opened.dev));
    p.u64(opened.map_or(0, |opened| opened.identity.ino));
}

/// A parameter: the path that was opened, from fd `dir`.
fn name(c: Call<'_>, p: &mut Params<'_>, address: u64, dir: Option<i32>, opened: Option<Opened>) {
    if !p.read_text(address) {
        p.empty();
        return;
    }
    let is_relative = p.last_text().first() != Some(&b'/');
    let dir = dir.filter(|dir| is_relative && *dir != AT_FDCWD).map(i64::from);
    if let Some(dir) = dir {
        p.needs(dir);
    }
    if let Some(opened) = opened
        && p.process.can_change(address, p.last_text().len() + 1)
    {
        let held = p.process.held();
        let found = held.and_then(|held| held.identity_of_path(dir, p.last_text()));
        if found.is_some_and(|found| found != opened.identity) {
            *p.races += 1;
            return link(c, p);
        }
    }
    p.text_read();
}

/// A parameter: the path of the file that was opened, as the kernel has it.
fn link(c: Call<'_>, p: &mut Params<'_>) {
    let fd = c.ret();
    let Params { process, proc, desk, .. } = p;
    match process.held().and_then(|held| proc.link(held, fd)) {
        Some(link) => desk.event.text(link.strip_suffix(b" (deleted)").unwrap_or(link)),
        None => desk.event.empty(),
    };
}

/// Whether the file that a call is to make is there already: asked at entry. `None` if that does not
/// matter, or cannot be told.
pub(in crate::calls) fn existed(c: Call<'_>, p: &mut Params<'_>, call: &str) -> Option<bool> {
    let (path, dir, flags) = match call {
        "open" => (c.arg(0), None, c.arg32(1)),
        "openat" => (c.arg(1), Some(c.int(0)), c.arg32(2)),
        "openat2" => (c.arg(1), Some(c.int(0)), u64::from_le_bytes(c.read(c.arg(2))) as u32),
        _ => return None,
    };
    if flags & (O_CREAT | O_EXCL) != O_CREAT || !p.read_text(path) {
        return None;
    }
    let dir = dir.filter(|dir| *dir != AT_FDCWD).map(i64::from);
    let held = p.process.held()?;
    Some(held.identity_of_path(dir, p.last_text()).is_some())
}
