//! Where alerts go. An [`Output`] gets finished lines; it knows neither rules nor events.
//!
//! * `queue`: a thread that writes for whoever must not wait; `waiting`: files that do not block.

mod queue;
mod stdout;
mod waiting;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

pub use queue::{Queue, QueueHandle};
pub use stdout::Stdout;
pub use waiting::Waiting;

/// A channel for alerts.
pub trait Output {
    /// Delivers one alert, a line without its end.
    ///
    /// # Errors
    /// If it cannot be delivered.
    fn alert(&mut self, line: &[u8]) -> io::Result<()>;

    /// Delivers what is buffered.
    ///
    /// # Errors
    /// If it cannot be delivered.
    fn flush(&mut self) -> io::Result<()>;

    /// Opens what it writes to anew (`SIGUSR1`: whoever rotates files has moved them away).
    ///
    /// # Errors
    /// If that fails.
    fn reopen(&mut self) -> io::Result<()> {
        self.flush()
    }
}

/// One output for several who write to it, on one thread.
impl<O: Output> Output for Rc<RefCell<O>> {
    fn alert(&mut self, line: &[u8]) -> io::Result<()> {
        self.borrow_mut().alert(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.borrow_mut().flush()
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.borrow_mut().reopen()
    }
}
