//! Where the files of this machine are: below `HOST_ROOT`, as for Falco, else `/`. A replay asks
//! them as Falco does ([`falco_enrich::state::as_falco_replays`]), a watch reads `/proc` there.

use std::path::PathBuf;

use falco_source::Snapshot;

/// Changes the preamble of a capture as Falco does.
pub fn as_falco_replays(snapshot: &mut Snapshot) {
    falco_enrich::state::as_falco_replays(snapshot, &host_root());
}

/// Where the root of the host is.
pub fn host_root() -> PathBuf {
    std::env::var_os("HOST_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}
