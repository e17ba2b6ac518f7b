//! Keeping the tables true while events come, where events cannot: users and groups, and threads whose end
//! nobody told.

use falco_enrich::state::State;

use crate::log::Log;
use crate::preamble;

/// Does it.
pub struct Tables {
    log: Log,
    /// Whether the files of users and groups are followed already.
    follows_accounts: bool,
}

impl Tables {
    /// Says in `log` what cannot be done.
    pub fn new(log: Log) -> Self {
        Tables { log, follows_accounts: false }
    }

    /// What is due at `now`, in nanoseconds since the epoch.
    pub fn tend(&mut self, state: &mut State, now: u64) {
        if !self.follows_accounts {
            self.follows_accounts = true;
            if let Err(error) = state.watch_accounts(preamble::host_root()) {
                self.log.warning(&format!("users and groups are not followed: {error}"));
            }
        }
        // Both know themselves when there is something to do.
        state.refresh_accounts(now);
        state.purge(now);
    }
}
