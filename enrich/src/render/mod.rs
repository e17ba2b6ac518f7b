//! Texts of event parameters, times and numbers, as Falco writes them in `evt.args` and elsewhere.
//!
//! * `params`: the parameters of an event, with their resolved forms.
//! * `flags`, `names`, `number`, `net`, `time`, `bytes`: the pieces.
//!
//! Nothing here reads state but `params`, which asks it for the names of fds, users and threads.

pub(crate) mod bytes;
pub(crate) mod flags;
pub mod names;
pub(crate) mod net;
pub(crate) mod number;
pub(crate) mod params;
pub(crate) mod time;
