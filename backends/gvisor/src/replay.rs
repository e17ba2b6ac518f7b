//! [`Recording`]: a session as gVisor's `tracereplay` saves it, and sending it again as a sandbox would.
//!
//! For tests and benchmarks. The file: `tracereplay file`, then texts with a little-endian `u64` of
//! their length before each: first a JSON object with the `version` of the protocol, then records,
//! headers included. (gVisor's `tools/tracereplay`; its README says so in other words.)

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};
use serde::Deserialize;
use thiserror::Error;

use crate::wire::{Handshake, MAX_HANDSHAKE, MAX_RECORD};

/// What a recording begins with.
const SIGNATURE: &[u8] = b"tracereplay file";

/// Why a file is no recording.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It begins otherwise.
    #[error("this is no tracereplay file: it does not begin with its signature")]
    Signature,
    /// What follows the signature.
    #[error("the configuration of a tracereplay file is wrong: {0}")]
    Config(#[from] serde_json::Error),
    /// It ends in the middle of something, or claims what cannot be.
    #[error("a tracereplay file is cut or damaged at byte {at}")]
    Damaged {
        /// Where.
        at: usize,
    },
}

/// A recorded session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Version of the protocol.
    pub version: u32,
    /// Records, each with its header.
    pub records: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct Config {
    version: u32,
}

impl Recording {
    /// Reads the whole of a file.
    ///
    /// # Errors
    /// If it is no such file, or not whole.
    pub fn parse(file: &[u8]) -> Result<Self, ReplayError> {
        let mut rest = file.strip_prefix(SIGNATURE).ok_or(ReplayError::Signature)?;
        let mut next = || -> Result<Option<&[u8]>, ReplayError> {
            if rest.is_empty() {
                return Ok(None);
            }
            let damaged = ReplayError::Damaged { at: file.len() - rest.len() };
            let Some((len, behind)) = rest.split_first_chunk() else { return Err(damaged) };
            let len = usize::try_from(u64::from_le_bytes(*len)).ok().filter(|&l| l <= MAX_RECORD);
            let Some((text, behind)) = len.and_then(|len| behind.split_at_checked(len)) else {
                return Err(damaged);
            };
            rest = behind;
            Ok(Some(text))
        };
        let config = next()?.ok_or(ReplayError::Damaged { at: file.len() })?;
        let Config { version } = serde_json::from_slice(config)?;
        let mut records = Vec::new();
        while let Some(record) = next()? {
            records.push(record.to_vec());
        }
        Ok(Recording { version, records })
    }

    /// The bytes of a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = SIGNATURE.to_vec();
        let config = format!(r#"{{"version":{}}}"#, self.version);
        for text in std::iter::once(config.as_bytes()).chain(self.records.iter().map(Vec::as_slice))
        {
            file.extend_from_slice(&(text.len() as u64).to_le_bytes());
            file.extend_from_slice(text);
        }
        file
    }
}

/// The sandbox's side of a connection.
#[derive(Debug)]
pub struct Sender(OwnedFd);

impl Sender {
    /// Connects to `socket` (`@name`: in the abstract namespace) and shakes hands.
    ///
    /// # Errors
    /// If nobody listens or the handshake is refused.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let sender = Self::connect_only(socket)?;
        sender.shake_hands(&Handshake::ours().encode_to_bytes())?;
        Ok(sender)
    }

    /// Connects and says nothing.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn connect_only(socket: &Path) -> io::Result<Self> {
        let sender = Self::unconnected()?;
        sender.connect_to(socket)?;
        Ok(sender)
    }

    /// A socket that is not connected yet.
    ///
    /// # Errors
    /// If there are no file descriptors left.
    pub fn unconnected() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        Ok(Sender(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?))
    }

    /// Connects to `socket` and says nothing.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn connect_to(&self, socket: &Path) -> io::Result<()> {
        let address = match socket.as_os_str().as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddrUnix::new_abstract_name(name)?,
            None => SocketAddrUnix::new(socket)?,
        };
        Ok(connect(&self.0, &address)?)
    }

    /// Sets how many bytes may wait in the socket; only as many as the system allows count.
    ///
    /// # Errors
    /// None that is known.
    pub fn set_buffer(&self, bytes: usize) -> io::Result<()> {
        Ok(set_socket_send_buffer_size(&self.0, bytes)?)
    }

    /// Sends `handshake` and reads the answer.
    ///
    /// # Errors
    /// If the other side hangs up, or its answer is none.
    pub fn shake_hands(&self, handshake: &[u8]) -> io::Result<Handshake> {
        self.send(handshake)?;
        let mut answer = vec![0; MAX_HANDSHAKE];
        let (_, len) = recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        let refused = |why: &str| io::Error::new(io::ErrorKind::ConnectionRefused, why.to_owned());
        if len == 0 {
            return Err(refused("the handshake was refused"));
        }
        Handshake::read(answer.get(..len).unwrap_or_default())
            .map_err(|error| refused(&error.to_string()))
    }

    /// Sends one record, waiting for room.
    ///
    /// # Errors
    /// If the other side hung up.
    pub fn send(&self, record: &[u8]) -> io::Result<()> {
        while let Err(error) = send(&self.0, record, SendFlags::NOSIGNAL) {
            if error != Errno::INTR {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Sends one record as a sandbox does whose session may retry for ever: it tries until there is
    /// room. Whoever waits asleep instead has to be woken for each record that is taken, which costs the
    /// receiver half as much again as taking it.
    ///
    /// # Errors
    /// If the other side hung up.
    pub fn send_retrying(&self, record: &[u8]) -> io::Result<()> {
        while !self.try_send(record)? {
            (0..200).for_each(|_| std::hint::spin_loop());
        }
        Ok(())
    }

    /// Sends one record as a sandbox does, without waiting; whether there was room.
    ///
    /// # Errors
    /// If the other side hung up.
    pub fn try_send(&self, record: &[u8]) -> io::Result<bool> {
        match send(&self.0, record, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(records: &[&[u8]]) -> Vec<u8> {
        let records = records.iter().map(|record| record.to_vec()).collect();
        Recording { version: 1, records }.to_bytes()
    }

    #[test]
    fn a_file_is_read_back() {
        let read = Recording::parse(&file(&[b"one", b"", b"three"])).unwrap();
        assert_eq!(read.version, 1);
        assert_eq!(read.records, [b"one".to_vec(), vec![], b"three".to_vec()]);
    }

    #[test]
    fn what_is_cut_or_lies_is_refused() {
        let whole = file(&[b"one"]);
        for len in 0..whole.len() {
            // Where it may end is before the record.
            let is_fine = len == whole.len() - 8 - 3;
            assert_eq!(Recording::parse(&whole[..len]).is_ok(), is_fine, "{len}");
        }
        let mut lies = whole.clone();
        lies.extend_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(Recording::parse(&lies), Err(ReplayError::Damaged { .. })));
        let no_json = String::from_utf8(whole).unwrap().replace('{', "[");
        assert!(matches!(Recording::parse(no_json.as_bytes()), Err(ReplayError::Config(_))));
    }

    #[test]
    fn recordings_of_real_sessions_are_read() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/samples/gvisor-and-runtimes/trace");
        let Ok(entries) = std::fs::read_dir(&dir) else {
            eprintln!("IGNORED: recordings are not read, since {} is absent", dir.display());
            return;
        };
        let mut read = 0;
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|extension| extension == "tracereplay") {
                let recording = Recording::parse(&std::fs::read(&path).unwrap()).unwrap();
                assert!(recording.records.len() > 20, "{}", path.display());
                assert!(recording.records.iter().all(|record| crate::wire::parse(record).is_ok()));
                read += 1;
            }
        }
        assert!(read > 0);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Recording::parse(&bytes);
            let _ = Recording::parse(&[SIGNATURE, &bytes].concat());
        }
    }
}
