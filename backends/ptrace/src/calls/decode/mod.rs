//! What each system call's event holds, a line a call, by kind of call as the modules say.
//!
//! Arguments are read at the exit of the call, as the eBPF probe does: the kernel has taken its copy by
//! then, and results are there. What that means for races is told in [`crate::coverage`].

mod fd;
mod file;
mod identity;
mod io;
mod memory;
mod message;
mod open;
mod signal;
mod socket;
mod sockopt;
mod system;
mod waiting;

use falco_event::EventCode;

use super::params::{Call, Params};
pub(super) use open::existed;

/// How a call becomes an event.
pub(super) struct Decoder {
    /// The call.
    pub(super) name: &'static str,
    pub(super) code: EventCode,
    /// Writes all parameters, in their order.
    pub(super) fill: fn(Call<'_>, &mut Params<'_>),
}

/// A table of decoders: the call, its event, and a function that writes its [`Params`].
macro_rules! decoders {
    ($($name:ident $code:ident $fill:expr;)*) => {
        pub(super) static DECODERS: &[super::Decoder] = &[$(super::Decoder {
            name: stringify!($name),
            code: falco_event::EventCode::$code,
            fill: $fill,
        }),*];
    };
}
use decoders;

/// The decoder of a call; `None` if it has no event of its own, or is not told at its exit.
pub(super) fn decoder(name: &str) -> Option<&'static Decoder> {
    all().find(|decoder| decoder.name == name)
}

/// Every decoder.
pub(super) fn all() -> impl Iterator<Item = &'static Decoder> {
    let tables = [
        fd::DECODERS,
        file::DECODERS,
        identity::DECODERS,
        io::DECODERS,
        memory::DECODERS,
        message::DECODERS,
        open::DECODERS,
        signal::DECODERS,
        socket::DECODERS,
        system::DECODERS,
        waiting::DECODERS,
    ];
    tables.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use falco_event::Syscall;

    use super::*;

    #[test]
    fn each_call_has_one_decoder_and_it_writes_an_event_of_that_call() {
        let mut names = BTreeSet::new();
        for decoder in all() {
            assert!(names.insert(decoder.name), "{} is told twice", decoder.name);
            let call = Syscall::by_name(decoder.name).unwrap();
            assert!(call.events.contains(&decoder.code), "{}", decoder.name);
            // Number 85 is that of NEWSELECT, which is old, too.
            let is_old = decoder.code.has(falco_event::EventFlags::OLD);
            assert!(!is_old, "{}: an old form", decoder.name);
        }
    }

    /// Whatever has an event of its own is decoded, but for what is told elsewhere.
    #[test]
    fn no_call_is_forgotten() {
        let elsewhere = ["execve", "execveat", "clone", "clone3", "fork", "vfork"];
        for number in 0..crate::plan::NUMBERS as u16 {
            let Some(call) = Syscall::by_x86_64_number(number) else { continue };
            let is_told = call.is_generic() || elsewhere.contains(&call.name);
            assert!(is_told || decoder(call.name).is_some(), "{} is not decoded", call.name);
        }
    }
}
