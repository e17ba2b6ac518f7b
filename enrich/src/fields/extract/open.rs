//! `evt.is_open_*`: with what intent a call opened a file.

use falco_event::EventCode;

use crate::context::Context;
use crate::fields::table::Event;

/// Portable open flags (`PPM_O_*`). Reading and writing is 3, so it has both bits.
const O_RDONLY: u64 = 1;
const O_WRONLY: u64 = 2;
const O_CREAT: u64 = 4;
const O_TMPFILE: u64 = 1 << 13;
/// Set by the probe when the call made the file.
const O_F_CREATED: u64 = 1 << 14;

/// Execute permission for owner, group or others.
const ANY_EXEC: u64 = 0o111;

impl Context<'_> {
    /// Whether the event is an opening call with the intent that `field` asks for.
    #[inline]
    pub(super) fn opens(&self, field: Event) -> bool {
        let param = |i| self.event.u64(i).unwrap_or(0);
        // open_by_handle_at has no mode.
        let (flags, mode) = match self.event.code() {
            EventCode::SYSCALL_OPEN_X => (param(2), Some(3)),
            EventCode::SYSCALL_OPENAT_2_X | EventCode::SYSCALL_OPENAT2_X => (param(3), Some(4)),
            EventCode::SYSCALL_OPEN_BY_HANDLE_AT_X => (param(2), None),
            EventCode::SYSCALL_CREAT_X => {
                return field == Event::IsOpenExec && param(2) & ANY_EXEC != 0;
            }
            _ => return false,
        };
        match field {
            Event::IsOpenRead => flags & O_RDONLY != 0,
            Event::IsOpenWrite => flags & O_WRONLY != 0,
            Event::IsOpenExec => {
                flags & (O_TMPFILE | O_CREAT) != 0
                    && mode.is_some_and(|mode| param(mode) & ANY_EXEC != 0)
            }
            Event::IsOpenCreate => {
                flags & O_F_CREATED != 0
                    || flags & O_TMPFILE != 0 && self.result().is_some_and(|result| result >= 0)
            }
            _ => false,
        }
    }
}
