//! [`Status`]: what a running sensor tells other processes of the sandboxes that it watches.
//!
//! It is a JSON file beside the socket, readable by its owner, written anew about once a second by a
//! thread of its own, so that no event waits for a disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::receiver::now_ns;

/// Where the status of an abstract socket is, which is in no directory.
const DIR_OF_ABSTRACT: &str = "/run/falco";
/// Bytes of a status that are read at most.
const MAX_BYTES: u64 = 16 << 20;
/// A status that is older, in nanoseconds, is that of a sensor that ended or hangs.
const MAX_AGE_NS: u64 = 15_000_000_000;

/// Why there is no status.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StatusError {
    /// It cannot be read.
    #[error(
        "cannot read {path}: {error}; a running falco writes it if its engine.kind has gvisor and its \
         engine.gvisor.socket is the same",
        path = path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// The refusal.
        #[source]
        error: io::Error,
    },
    /// It is something else.
    #[error("{path} is no status of this version of falco: {error}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: serde_json::Error,
    },
}

/// One sandbox that is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionInfo {
    /// Id of its first container, or of the first one heard of; empty before any.
    pub sandbox: String,
    /// Ids of the containers that were heard of.
    pub containers: Vec<String>,
    /// Upper half of the thread ids of its events.
    pub number: u32,
    /// Whether it ran already when it came to be watched, or watched with other rules; else it is
    /// watched from its start.
    pub attached: bool,
    /// When it connected, or this sensor's session began, in nanoseconds since the epoch.
    pub since_ns: u64,
    /// Messages that were read.
    pub messages: u64,
    /// Events that came of them.
    pub events: u64,
    /// Messages that the sandbox could not send.
    pub dropped: u64,
    /// Messages of types that this build does not know.
    pub unknown: u64,
    /// What was no message.
    pub invalid: u64,
    /// Bytes of memory in which messages wait.
    pub queued_bytes: u64,
    /// How long the latest message waited between its arrival and its events, in nanoseconds.
    pub lag_ns: u64,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The sensor's process.
    pub pid: u32,
    /// When it was written, in nanoseconds since the epoch.
    pub written_ns: u64,
    /// The socket that sandboxes send to.
    pub socket: PathBuf,
    /// The sandboxes that are watched.
    pub sessions: Vec<SessionInfo>,
}

impl Status {
    /// The status of the sensor that listens at `socket`.
    ///
    /// # Errors
    /// If there is none, or it is something else.
    pub fn read(socket: &Path) -> Result<Self, StatusError> {
        let path = path(socket);
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text));
        match read {
            Ok(_) => {
                serde_json::from_slice(&text).map_err(|error| StatusError::Json { path, error })
            }
            Err(error) => Err(StatusError::Io { path, error }),
        }
    }

    /// Whether it was written lately: the sensor runs.
    pub fn is_current(&self) -> bool {
        now_ns().saturating_sub(self.written_ns) <= MAX_AGE_NS
    }
}

/// The file beside `socket`: its extension is `sessions.json`.
pub fn path(socket: &Path) -> PathBuf {
    match socket.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => {
            let name: String = name
                .iter()
                .map(|&b| if b.is_ascii_alphanumeric() { b.into() } else { '_' })
                .collect();
            Path::new(DIR_OF_ABSTRACT).join(name + ".sessions.json")
        }
        None => socket.with_extension("sessions.json"),
    }
}

/// Writes it. The file is removed in the end.
#[derive(Debug)]
pub(crate) struct Writer {
    publish: Option<SyncSender<Vec<SessionInfo>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(socket: &Path) -> io::Result<Self> {
        let (publish, published) = mpsc::sync_channel::<Vec<SessionInfo>>(1);
        let mut status =
            Status { pid: std::process::id(), socket: socket.to_owned(), ..Status::default() };
        let path = path(socket);
        let thread = thread::Builder::new().name("gvisor-status".to_owned()).spawn(move || {
            loop {
                match published.recv_timeout(Duration::from_secs(60)) {
                    Ok(sessions) => status.sessions = sessions,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                status.written_ns = now_ns();
                // It is a convenience: who watches goes on watching when the disk is full.
                let _ = write(&path, &status);
            }
            let _ = fs::remove_file(&path);
        })?;
        Ok(Writer { publish: Some(publish), thread: Some(thread) })
    }

    /// Has `sessions` written soon. Never waits: if the last ones are not written yet, these are not.
    pub fn publish(&self, sessions: Vec<SessionInfo>) {
        if let Some(publish) = &self.publish {
            match publish.try_send(sessions) {
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.publish = None;
        if let Some(thread) = self.thread.take() {
            // It panicked, then, and the panic was told.
            let _ = thread.join();
        }
    }
}

/// Puts a whole file in the place of the one before.
fn write(path: &Path, status: &Status) -> io::Result<()> {
    let temporary = path.with_extension("json.new");
    // Of a sensor that ended in the middle.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(status)?)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    use super::*;

    #[test]
    fn another_process_reads_what_was_published_until_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("gvisor.sock");
        assert!(matches!(Status::read(&socket), Err(StatusError::Io { .. })));
        let writer = Writer::start(&socket).unwrap();
        let session = SessionInfo { sandbox: "abc".to_owned(), events: 7, ..Default::default() };
        writer.publish(vec![session.clone()]);
        let since = Instant::now();
        let status = loop {
            if let Ok(status) = Status::read(&socket) {
                break status;
            }
            assert!(since.elapsed() < Duration::from_secs(5));
            thread::sleep(Duration::from_millis(2));
        };
        assert_eq!(status.sessions, [session]);
        assert_eq!((status.pid, &status.socket), (std::process::id(), &socket));
        assert!(status.is_current());
        assert!(!Status { written_ns: status.written_ns - MAX_AGE_NS * 2, ..status }.is_current());
        let mode = path(&socket).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(writer);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn where_it_is() {
        assert_eq!(
            path(Path::new("/run/falco/gvisor.sock")),
            Path::new("/run/falco/gvisor.sessions.json")
        );
        assert_eq!(path(Path::new("@../x y")), Path::new("/run/falco/___x_y.sessions.json"));
    }

    #[test]
    fn what_is_no_status_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        fs::write(path(&socket), "nonsense").unwrap();
        assert!(matches!(Status::read(&socket), Err(StatusError::Json { .. })));
    }
}
