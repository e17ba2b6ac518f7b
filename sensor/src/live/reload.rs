//! SIGHUP: configuration and rules are read again beside the running watch, on another thread.
//!
//! Only when everything is fine does the new session take over: its source watches already then, so
//! that nothing is missed. If anything is wrong, the old session goes on and an alert says why.

use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::sources::{self, Kept, Opened};
use crate::cli::Options;
use crate::config::EngineKind;
use crate::session::Session;

/// How long no further request may come before work begins.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// A session that is ready to take over.
pub type Loaded = (Session, Opened);

/// Loads sessions on request.
pub struct Reloader {
    options: Arc<Options>,
    /// What is watched at present; it stays, if the next session is to watch the same.
    kept: Kept,
    /// When it was last asked.
    asked: Option<Instant>,
    /// The answer of the thread at work.
    working: Option<mpsc::Receiver<Result<Loaded>>>,
}

impl Reloader {
    /// Sessions as `options` say, to take over from one that watches `kept`.
    pub fn new(options: Arc<Options>, kept: Kept) -> Self {
        Reloader { options, kept, asked: None, working: None }
    }

    /// Asks for a session. What is being loaded already may be out of date and is loaded again.
    pub fn request(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    /// A session that is ready, or why there is none.
    pub fn poll(&mut self, now: Instant) -> Option<Result<Loaded>> {
        if let Some(working) = &self.working {
            let answer = match working.try_recv() {
                Ok(answer) => answer,
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => Err(anyhow::anyhow!("loading ended early")),
            };
            self.working = None;
            // Whoever has asked again since then wants what is there now.
            return if self.asked.is_none() { Some(answer) } else { None };
        }
        if now.duration_since(self.asked?) < DEBOUNCE {
            return None;
        }
        self.asked = None;
        let (answer, working) = mpsc::sync_channel(1);
        let (options, kept) = (Arc::clone(&self.options), self.kept.clone());
        let started = thread::Builder::new().name("reload".to_owned()).spawn(move || {
            // Nobody listens any more when the run is over.
            let _ = answer.send(load(&options, &kept));
        });
        match started {
            Ok(_) => {
                self.working = Some(working);
                None
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

fn load(options: &Options, kept: &Kept) -> Result<Loaded> {
    let session = Session::load(options)?;
    if session.config.engines.is(EngineKind::Replay) {
        bail!("engine.kind cannot change to this one while the program runs");
    }
    let opened = sources::open(&session, kept)?;
    Ok((session, opened))
}
