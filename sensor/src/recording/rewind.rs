//! The snapshot of a triggered recording stands after the event that triggered it, and the recording
//! begins with that event. Most events may happen twice without harm; for the others the snapshot
//! is taken back to a place from where the event leads to the same state again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_enrich::state::{Current, State};
use falco_event::net::Endpoint;
use falco_event::raw::until_nul;
use falco_event::{EventCode, RawEvent};
use falco_source::Snapshot;
use falco_source::snapshot::FdKind;

/// Takes `snapshot`, which tells `state` after `event`, to before the event.
pub fn before(event: &RawEvent<'_>, current: &Current, state: &State, snapshot: &mut Snapshot) {
    let Some(thread) = state.thread(event.tid()) else { return };
    let main = state.main_thread(thread).unwrap_or(thread).tid;
    if event.code() == EventCode::SYSCALL_CHDIR_X && event.i64(0).is_some_and(|res| res >= 0) {
        let path = until_nul(event.param(1).unwrap_or_default());
        if let Some(thread) = snapshot.threads.iter_mut().find(|thread| thread.tid == main) {
            thread.cwd = left(&thread.cwd, path).unwrap_or(std::mem::take(&mut thread.cwd));
        }
    }
    if current.name_changed
        && let Some((_, fds)) = snapshot.fds.iter_mut().find(|(tid, _)| *tid == main)
        && let Some(fd) = fds.iter_mut().find(|fd| Some(fd.num) == current.fd_num)
    {
        forget_ends(&mut fd.kind);
    }
}

/// A directory from which the relative `path` leads to `cwd`. None if `path` is absolute, or has not
/// led there.
fn left(cwd: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    /// Left through `..`, so whatever it is called.
    const ANY: &[u8] = b"_";
    if path.is_empty() || path.starts_with(b"/") {
        return None;
    }
    let mut dirs: Vec<&[u8]> = cwd.split(|&b| b == b'/').filter(|dir| !dir.is_empty()).collect();
    for step in path.split(|&b| b == b'/').rev() {
        match step {
            b"" | b"." => {}
            b".." => dirs.push(ANY),
            name => {
                dirs.pop().filter(|dir| *dir == name || *dir == ANY)?;
            }
        }
    }
    let mut out = vec![b'/'];
    for dir in dirs {
        out.extend_from_slice(dir);
        out.push(b'/');
    }
    Some(out)
}

/// A socket whose name the event changed has another one before: none, for that matter. (What is
/// opened by the event is opened again, whatever stands there.)
fn forget_ends(kind: &mut FdKind) {
    let nowhere = |like: IpAddr| Endpoint {
        ip: if like.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        },
        port: 0,
    };
    match kind {
        FdKind::Inet { src, dst, .. } => (*src, *dst) = (nowhere(src.ip), nowhere(dst.ip)),
        // Any other port will do.
        FdKind::InetServer { local, .. } => local.port ^= 1,
        FdKind::Unix { name, .. } => name.clear(),
        FdKind::Unknown | FdKind::File { .. } | FdKind::Directory { .. } | FdKind::Named { .. } => {
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_left_the_way_it_was_entered() {
        let left = |cwd: &str, path: &str| {
            left(cwd.as_bytes(), path.as_bytes()).map(|dir| String::from_utf8(dir).unwrap())
        };
        assert_eq!(left("/run/ctr/", "ctr").as_deref(), Some("/run/"));
        assert_eq!(left("/run/ctr/", "./x/../ctr/").as_deref(), Some("/run/"));
        assert_eq!(left("/run/", "..").as_deref(), Some("/run/_/"));
        assert_eq!(left("/a/b/", "../../a/b").as_deref(), Some("/_/_/"));
        assert_eq!(left("/", ".").as_deref(), Some("/"));
        assert_eq!(left("/run/", "/run"), None);
        assert_eq!(left("/run/", "elsewhere"), None);
        assert_eq!(left("/", "elsewhere"), None);
    }
}
