//! Where alerts go. An [`Output`] gets finished lines; it knows neither rules nor events.

mod stdout;

use std::io;

pub use stdout::Stdout;

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
}
