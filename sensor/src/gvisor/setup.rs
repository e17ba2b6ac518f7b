//! What the configuration says of gVisor: where sandboxes send to, and how they are watched.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use falco_enrich::selection::SyscallSet;
use falco_gvisor::receiver::ReceiverOptions;
use falco_gvisor::{Options, Receiver};
use serde_json::Value;

use crate::config::Config;
use crate::preamble;

/// The name of the source, in `engine.kind` and among counters.
pub const NAME: &str = "gvisor";
/// Where sandboxes send to if nothing else is configured.
const DEFAULT_SOCKET: &str = "/run/falco/gvisor.sock";
/// A session's configuration is not larger, in bytes.
const MOST_CONFIG: u64 = 4 << 20;
/// Sandboxes at a time.
const MAX_SANDBOXES: usize = ReceiverOptions::MAX_CONNECTIONS;

/// The socket that sandboxes send to.
///
/// # Errors
/// If `engine.gvisor.config` cannot be read or names none.
pub fn socket(config: &Config) -> Result<PathBuf> {
    match &config.gvisor_socket {
        Some(socket) => Ok(socket.clone()),
        None if config.gvisor_config.as_os_str().is_empty() => Ok(DEFAULT_SOCKET.into()),
        None => endpoint_of(&config.gvisor_config),
    }
}

/// The socket that a session's configuration, which is for runsc, names.
fn endpoint_of(path: &Path) -> Result<PathBuf> {
    const KEY: &str = "engine.gvisor.config";
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MOST_CONFIG).read_to_string(&mut text))
        .with_context(|| format!("{KEY}: cannot read {}", path.display()))?;
    let root: Value = serde_json::from_str(&text)
        .with_context(|| format!("{KEY}: {} is no JSON", path.display()))?;
    // runsc reads a bare session as well.
    let session = root.get("trace_session").unwrap_or(&root);
    let sinks = session.get("sinks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let remote = sinks.iter().find(|sink| sink.get("name").is_some_and(|name| name == "remote"));
    let endpoint = remote.and_then(|sink| sink.pointer("/config/endpoint")?.as_str());
    endpoint.map(PathBuf::from).ok_or_else(|| {
        anyhow!(
            "{KEY}: {} names no socket: trace_session.sinks has no sink 'remote' with an endpoint \
             (falco gvisor init-config prints a configuration that has one)",
            path.display()
        )
    })
}

/// The program runsc; none: that of PATH.
pub fn runsc(config: &Config) -> Option<PathBuf> {
    Some(config.gvisor_runsc.clone()).filter(|path| !path.as_os_str().is_empty())
}

/// The state directories of runsc; none: those that there are.
pub fn roots(config: &Config) -> Option<Vec<PathBuf>> {
    let roots = config.gvisor_roots.iter().filter(|path| !path.as_os_str().is_empty());
    Some(roots.cloned().collect::<Vec<_>>()).filter(|roots| !roots.is_empty())
}

/// Where sandboxes send to: `kept`, if that is the same place, so that connections stay.
///
/// # Errors
/// If the socket cannot be had.
pub fn receiver(config: &Config, kept: Option<&Receiver>) -> Result<Receiver> {
    let socket = socket(config)?;
    match kept.filter(|kept| kept.socket() == socket) {
        Some(kept) => Ok(kept.clone()),
        None => Ok(Receiver::bind(&ReceiverOptions::new(socket))?),
    }
}

/// How sandboxes are watched for these system calls.
pub fn options(config: &Config, syscalls: &SyscallSet) -> Options {
    Options {
        max_sandboxes: MAX_SANDBOXES,
        roots: roots(config),
        runsc: runsc(config),
        host_root: preamble::host_root(),
        syscalls: syscalls.iter().collect(),
        attach: config.gvisor_attach,
        // After a reload, sources themselves tell nothing as earlier than it was.
        floor_ns: 0,
    }
}
