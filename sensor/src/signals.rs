//! Signals as requests: handlers only set flags, which the loop and its housekeeping look at.
//!
//! SIGINT and SIGTERM ask to stop; the run then ends as at the end of its input. SIGHUP asks a live
//! run to start anew with configuration and rules read again, SIGUSR1 to open its outputs anew.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// Set when the program was asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Takes over SIGINT and SIGTERM: the first one asks, a second one ends the process at once.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn install() -> io::Result<Stop> {
        let stop = Stop::default();
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the shutdown sees the flag that the earlier signal set.
            let code = 128 + signal;
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&stop.0))?;
            signal_hook::flag::register(signal, Arc::clone(&stop.0))?;
        }
        Ok(stop)
    }

    /// Asks for it, as a signal does.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    #[inline]
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a live run can be asked for while it runs.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    reload: Arc<AtomicBool>,
    reopen: Arc<AtomicBool>,
}

impl Requests {
    /// Takes over SIGHUP and SIGUSR1.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn install() -> io::Result<Requests> {
        let requests = Requests::default();
        signal_hook::flag::register(SIGHUP, Arc::clone(&requests.reload))?;
        signal_hook::flag::register(SIGUSR1, Arc::clone(&requests.reopen))?;
        Ok(requests)
    }

    /// Whether a reload was asked for since the last call.
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }

    /// Whether outputs are to be opened anew, asked since the last call.
    pub fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }
}
