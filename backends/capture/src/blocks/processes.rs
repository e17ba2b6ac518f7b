//! Threads, in nine versions of entries.
//!
//! Versions 2 to 8 each inserted fields somewhere; since version 9 an entry begins with its length
//! and fields are appended.

use falco_source::snapshot::Thread;

use super::cursor::{Cursor, MAX_ARGS, MAX_PATH, Malformed, Writer};
use super::limit;

/// Block type that is written (version 9).
pub const TYPE: u32 = 0x215;
/// The version whose entries begin with their length.
const SIZED: u8 = 9;

/// Reads a process list of `version` 1 to 9.
///
/// # Errors
/// If an entry does not fit.
pub fn decode(body: &[u8], version: u8, threads: &mut Vec<Thread>) -> Result<(), Malformed> {
    let mut body = Cursor::new(body, "process entry");
    while body.has_entry() {
        limit(threads, body.at(), "threads")?;
        if version >= SIZED {
            let mut entry = body.entry()?;
            let mut thread = fixed(&mut entry, version)?;
            appended(&mut entry, &mut thread);
            threads.push(thread);
        } else {
            threads.push(fixed(&mut body, version)?);
        }
    }
    Ok(())
}

/// The fields whose presence follows from the version.
fn fixed(entry: &mut Cursor<'_>, version: u8) -> Result<Thread, Malformed> {
    let mut t =
        Thread { tid: entry.i64()?, pid: entry.i64()?, ptid: entry.i64()?, ..Thread::default() };
    if version >= 6 {
        t.sid = entry.i64()?;
    }
    if version >= 8 {
        t.vpgid = entry.i64()?;
    }
    t.comm = entry.text()?;
    t.exe = entry.text()?;
    if version >= 7 {
        t.exepath = entry.text()?;
    }
    t.args = entry.counted()?;
    t.cwd = entry.text()?;
    t.fdlimit = entry.u64()?;
    t.flags = entry.u32()?;
    t.uid = entry.u32()?;
    t.gid = entry.u32()?;
    if version >= 2 {
        t.vmsize_kb = entry.u32()?;
        t.vmrss_kb = entry.u32()?;
        t.vmswap_kb = entry.u32()?;
        t.pfmajor = entry.u64()?;
        t.pfminor = entry.u64()?;
    }
    if version >= 3 {
        t.env = entry.counted()?;
    }
    if version >= 4 {
        t.vtid = entry.i64()?;
        t.vpid = entry.i64()?;
        t.cgroups = entry.counted()?;
    }
    if version >= 5 {
        t.root = entry.text()?;
    }
    Ok(t)
}

/// What libs before 0.10 appended: `loginuid`, `exe_writable` and three capability sets. Libs 0.10
/// put `pidns_init_start_ts` and `tty` *before* them, so an entry that has no more room than this
/// is of the older kind.
const APPENDED_BEFORE_0_10: usize = 4 + 1 + 3 * 8;

/// The fields that an entry has if it is long enough.
fn appended(entry: &mut Cursor<'_>, t: &mut Thread) {
    fn u64_or(value: Option<[u8; 8]>, default: u64) -> u64 {
        value.map_or(default, u64::from_le_bytes)
    }
    fn flag(value: Option<[u8; 1]>) -> bool {
        value.is_some_and(|[byte]| byte != 0)
    }
    if entry.left() > APPENDED_BEFORE_0_10 {
        t.pidns_init_start_ts = u64_or(entry.appended(), t.pidns_init_start_ts);
        t.tty = entry.appended().map_or(t.tty, u32::from_le_bytes);
    }
    t.loginuid = entry.appended().map_or(t.loginuid, u32::from_le_bytes);
    t.exe_writable = flag(entry.appended());
    t.cap_inheritable = u64_or(entry.appended(), 0);
    t.cap_permitted = u64_or(entry.appended(), 0);
    t.cap_effective = u64_or(entry.appended(), 0);
    t.exe_upper_layer = flag(entry.appended());
    t.exe_ino = u64_or(entry.appended(), 0);
    t.exe_ino_ctime = u64_or(entry.appended(), 0);
    t.exe_ino_mtime = u64_or(entry.appended(), 0);
    t.exe_from_memfd = flag(entry.appended());
    t.exe_lower_layer = flag(entry.appended());
    t.pgid = entry.appended().map_or(t.pgid, i64::from_le_bytes);
}

pub(crate) fn encode(t: &Thread, out: &mut Writer) {
    out.entry(|out| {
        out.i64(t.tid).i64(t.pid).i64(t.ptid).i64(t.sid).i64(t.vpgid);
        out.counted(&t.comm, MAX_PATH).counted(&t.exe, MAX_PATH).counted(&t.exepath, MAX_PATH);
        out.counted(&t.args, MAX_ARGS).counted(&t.cwd, MAX_PATH);
        out.u64(t.fdlimit).u32(t.flags).u32(t.uid).u32(t.gid);
        out.u32(t.vmsize_kb).u32(t.vmrss_kb).u32(t.vmswap_kb).u64(t.pfmajor).u64(t.pfminor);
        out.counted(&t.env, MAX_ARGS).i64(t.vtid).i64(t.vpid);
        out.counted(&t.cgroups, MAX_ARGS).counted(&t.root, MAX_PATH);
        out.u64(t.pidns_init_start_ts).u32(t.tty).u32(t.loginuid).u8(t.exe_writable.into());
        out.u64(t.cap_inheritable).u64(t.cap_permitted).u64(t.cap_effective);
        out.u8(t.exe_upper_layer.into());
        out.u64(t.exe_ino).u64(t.exe_ino_ctime).u64(t.exe_ino_mtime);
        out.u8(t.exe_from_memfd.into()).u8(t.exe_lower_layer.into()).i64(t.pgid);
    });
}
