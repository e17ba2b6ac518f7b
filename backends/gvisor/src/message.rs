//! [`Message`]: one message, decoded. What it means is [`crate::mapper`]'s.

use prost::Message as _;
use prost::bytes::Bytes;
use thiserror::Error;

use crate::proto::{self, ContextData, Exit};

/// Why a message cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Its bytes are no protobuf of its type.
    #[error("a message of type {kind} cannot be read: {why}")]
    Malformed {
        /// Its type.
        kind: u16,
        /// What is wrong.
        why: prost::DecodeError,
    },
}

/// Everything that says who did something.
trait Told {
    fn context(&self) -> Option<&ContextData>;
}

macro_rules! messages {
    (
        $($kind:literal $name:ident)*;
        calls: $($call_kind:literal $call:ident)*
    ) => {
        /// One message, by its type: the number on the wire (`MessageType` of gVisor's
        /// `common.proto`) and what it carries.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // one a struct of `proto`
        // The large ones are the rare ones; a box for each would cost the common ones.
        #[allow(clippy::large_enum_variant)]
        pub enum Message {
            $($name(proto::$name),)*
            $($call(proto::$call),)*
        }

        /// Reads the payload of a message of type `kind`. `None` is a type that this build does not
        /// know: newer sandboxes may send such.
        ///
        /// # Errors
        /// If it is no protobuf, or fields have other types than they should.
        pub fn decode(kind: u16, payload: &[u8]) -> Result<Option<Message>, DecodeError> {
            // One copy that all texts of the message share.
            let from = Bytes::copy_from_slice(payload);
            // Read in its place: a message is too large to be moved for nothing.
            let mut message = match kind {
                $($kind => Message::$name(proto::$name::default()),)*
                $($call_kind => Message::$call(proto::$call::default()),)*
                _ => return Ok(None),
            };
            let read = match &mut message {
                $(Message::$name(message) => message.merge(from),)*
                $(Message::$call(message) => message.merge(from),)*
            };
            read.map_err(|why| DecodeError::Malformed { kind, why })?;
            Ok(Some(message))
        }

        $(impl Told for proto::$name {
            #[inline]
            fn context(&self) -> Option<&ContextData> {
                self.context_data.as_ref()
            }
        })*
        $(impl Told for proto::$call {
            #[inline]
            fn context(&self) -> Option<&ContextData> {
                self.context_data.as_ref()
            }
        })*

        impl Message {
            /// The number of its type.
            pub fn kind(&self) -> u16 {
                match self {
                    $(Message::$name(_) => $kind,)*
                    $(Message::$call(_) => $call_kind,)*
                }
            }

            /// Who did it; `None` if the session does not ask for any of that.
            #[inline]
            pub fn context(&self) -> Option<&ContextData> {
                match self {
                    $(Message::$name(message) => message.context(),)*
                    $(Message::$call(message) => message.context(),)*
                }
            }

            /// Of a system call: its number, and how it ended if it has.
            #[inline]
            pub fn call(&self) -> Option<(u64, Option<&Exit>)> {
                match self {
                    $(Message::$name(_) => None,)*
                    $(Message::$call(call) => Some((call.sysno, call.exit.as_ref())),)*
                }
            }

            /// Its payload, as gVisor would encode it.
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $(Message::$name(message) => message.encode_to_vec(),)*
                    $(Message::$call(message) => message.encode_to_vec(),)*
                }
            }
        }

        $(impl From<proto::$name> for Message {
            fn from(message: proto::$name) -> Self {
                Message::$name(message)
            }
        })*
        $(impl From<proto::$call> for Message {
            fn from(message: proto::$call) -> Self {
                Message::$call(message)
            }
        })*
    };
}

messages! {
    1 Start 2 CloneInfo 3 ExecveInfo 4 ExitNotifyParentInfo 5 TaskExit 35 MmapInfo;
    calls:
    6 Syscall 7 Open 8 Close 9 Read 10 Connect 11 Execve 12 Socket 13 Chdir 14 Setid 15 Setresid
    16 Prlimit 17 Pipe 18 Fcntl 19 Dup 20 Signalfd 21 Chroot 22 Eventfd 23 Clone 24 Bind 25 Accept
    26 TimerfdCreate 27 TimerfdSetTime 28 TimerfdGetTime 29 Fork 30 InotifyInit 31 InotifyAddWatch
    32 InotifyRmWatch 33 SocketPair 34 Write 36 Mmap 37 Listen 38 Ptrace
}

impl Message {
    /// The container that it happened in; empty if it is not told.
    pub fn container_id(&self) -> &[u8] {
        let told = self.context().map_or(&[][..], |context| &context.container_id);
        match self {
            Message::Start(start) if told.is_empty() => &start.id,
            _ => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_and_written() {
        let known: Vec<u16> =
            (0..100).filter(|&kind| decode(kind, &[]).unwrap().is_some()).collect();
        assert_eq!(known, (1..=38).collect::<Vec<_>>());
        for kind in known {
            // A context with thread 7, which all types have as field 1; an unknown field 900.
            let bytes = [0x0a, 2, 0x10, 7, 0xa0, 0x38, 1];
            let message = decode(kind, &bytes).unwrap().unwrap();
            assert_eq!(message.kind(), kind);
            assert_eq!(message.context().map(|context| context.thread_id), Some(7), "{kind}");
            assert_eq!(message.encode(), bytes[..4]);
            for end in 1..4 {
                assert!(decode(kind, &bytes[..end]).is_err(), "{kind} cut after {end}");
            }
        }
    }

    #[test]
    fn messages_stay_small() {
        assert!(size_of::<Message>() <= 512, "{}", size_of::<Message>());
    }

    #[test]
    fn texts_are_bytes() {
        let bytes = [0x0a, 0, 0x1a, 0, 0x12, 2, 0xff, 0xfe];
        let Ok(Some(Message::ExecveInfo(exec))) = decode(3, &bytes) else { panic!() };
        assert_eq!(exec.binary_path, &b"\xff\xfe"[..]);
        assert_eq!(exec.argv, [&b""[..]]);
    }

    #[test]
    fn system_calls_tell_how_they_ended() {
        let entered = Message::from(proto::Close { sysno: 3, fd: 4, ..Default::default() });
        assert_eq!(entered.call(), Some((3, None)));
        let exit = Some(Exit { result: 0, errorno: 9 });
        let left = Message::from(proto::Close { exit, ..Default::default() });
        assert_eq!(left.call().and_then(|(_, exit)| exit).map(|exit| exit.errorno), Some(9));
        assert_eq!(Message::from(proto::TaskExit::default()).call(), None);
    }
}
