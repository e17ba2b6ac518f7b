//! `falco record`: writes what happens on this host, or a part of a capture, to a capture.
//!
//! Without a filter, events go from the source to the file as they are. With one, what does not
//! match and yet changes what is known of processes, files and users is kept, marked as for the
//! tables only: the recording then shows just the events that match, but shows them in full.
//!
//! Nobody waits for alerts here, so a slow disk is waited for: meanwhile the kernel's rings fill, and
//! what they lose is counted there.

use std::io::{self, Write};
use std::ops::ControlFlow;

use anyhow::{Context as _, Result};
use falco_capture::Compression;
use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::State;
use falco_event::raw::DUMP_STATE_ONLY;
use falco_event::{EventFlags, RawEvent};
use falco_source::{Snapshot, Source, is_initial_state, only_updates_state};

use crate::cli::RecordOptions;
use crate::filter::Filter;
use crate::input::{self, Input};
use crate::internal_alert::now_ns;
use crate::progress::ProgressLine;
use crate::recording::{Destination, Recording, WhenFull};
use crate::signals::Stop;
use crate::walk::{Walker, walk};

const SECOND_NS: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;
/// Events between two looks at the clock.
const STRIDE: u64 = 1024;

/// Records until it is told to stop, the capture that it reads ends, or one of the limits of
/// `options` is reached.
///
/// # Errors
/// If an option is wrong, the source cannot be opened or read to its end, or the file cannot be
/// written. What was read before an error is in the file.
pub fn run(options: &RecordOptions) -> Result<()> {
    let mut fields = SyscallFields::new();
    let filter = input::condition(options.filter.as_deref(), &options.live)
        .map(|(option, text)| Filter::new(option, &text, &mut fields))
        .transpose()?;
    let stop = Stop::install().context("cannot handle SIGINT and SIGTERM")?;
    let mut input = match &options.capture {
        Some(path) => Input::capture(path)?,
        None => Input::live(filter.as_ref(), &options.live)?,
    };
    let (live, watching) = (input.is_live(), input.watching());
    let destination = Destination::named(&options.file, options.force)?;
    let Input { source, begun, state, prepare, .. } = &mut input;
    let mut recorder = Recorder {
        options,
        destination: Some(destination),
        watching,
        recording: None,
        tables: filter.map(|filter| Tables { filter, fields: &fields, state, prepare: *prepare }),
        progress: ProgressLine::new(),
        first_ts: None,
        started: now_ns(),
        events: 0,
        matched: 0,
        silent: false,
    };
    let result = walk(&mut **source, begun.take(), &stop, &mut recorder);
    if live {
        input::close(&mut **source);
    }
    recorder.progress.clear();
    let written = recorder.finish();
    if live {
        input::tell_losses(&source.stats());
    }
    // The first error is the one to tell.
    result.and(written)
}

/// What a filter needs.
struct Tables<'a> {
    filter: Filter,
    fields: &'a SyscallFields,
    state: &'a mut State,
    prepare: fn(&mut Snapshot),
}

impl Tables<'_> {
    /// The flags with which to store an event, if it is to be stored, and whether it matched.
    fn judge(&mut self, event: &RawEvent<'_>) -> (Option<u32>, bool) {
        let current = self.state.process(event);
        if current.skipped {
            return (Some(event.flags()), false);
        }
        let ctx = Context::new(self.state, event, &current, self.fields);
        if self.filter.matches(&ctx) {
            return (Some(event.flags()), true);
        }
        let code = event.code();
        let kept =
            code.has(EventFlags::STATE) || is_initial_state(code) || only_updates_state(event);
        (kept.then_some(event.flags() | DUMP_STATE_ONLY), false)
    }
}

struct Recorder<'a> {
    options: &'a RecordOptions,
    /// Taken when the recording begins.
    destination: Option<Destination>,
    /// What is watched, if events happen now.
    watching: Option<&'static str>,
    recording: Option<Recording>,
    tables: Option<Tables<'a>>,
    progress: ProgressLine,
    first_ts: Option<u64>,
    /// When it began, nanoseconds since the epoch.
    started: u64,
    events: u64,
    /// Events that the filter lets through.
    matched: u64,
    /// Nothing happens, so there is time to look at the clock.
    silent: bool,
}

impl Recorder<'_> {
    fn is_long_enough(&self, since: u64, now: u64) -> bool {
        let duration = self.options.duration.map(|s| s.saturating_mul(SECOND_NS));
        duration.is_some_and(|duration| now.saturating_sub(since) >= duration)
    }

    fn is_large_enough(&self) -> bool {
        let recording = self.recording.as_ref();
        self.max_bytes().zip(recording).is_some_and(|(max, recording)| recording.size() >= max)
    }

    fn max_bytes(&self) -> Option<u64> {
        self.options.max_size.map(|mb| mb.saturating_mul(MIB))
    }

    fn finish(self) -> Result<()> {
        let Some(recording) = self.recording else { return Ok(()) };
        let summary = recording.finish().join()?;
        let mut text = format!(
            "{} events, {:.1} MB to {}",
            if self.tables.is_some() { self.matched } else { summary.events },
            summary.bytes as f64 / 1e6,
            summary.path.display()
        );
        if self.tables.is_some() {
            text += &format!(" (and {} for the tables)", summary.events - self.matched);
        }
        if summary.refused > 0 {
            text += &format!("; {} too long for the format", summary.refused);
        }
        // There is nowhere to report that stderr is closed.
        let _ = writeln!(io::stderr(), "{text}");
        Ok(())
    }
}

impl Walker for Recorder<'_> {
    fn restored(&mut self, mut snapshot: Snapshot) -> Result<()> {
        snapshot.is_live |= self.watching.is_some();
        if let Some(Tables { state, prepare, .. }) = &mut self.tables {
            let mut prepared = snapshot.clone();
            prepare(&mut prepared);
            state.restore(&prepared);
        }
        match (&mut self.recording, self.destination.take()) {
            (Some(recording), _) => recording.section(snapshot),
            (None, Some(destination)) => {
                if let Some(what) = self.watching {
                    input::tell_watching(what);
                }
                let compression = match self.options.uncompressed {
                    true => Compression::None,
                    false => Compression::Gzip,
                };
                let limit = self.max_bytes();
                self.recording = Some(Recording::start(
                    destination,
                    compression,
                    snapshot,
                    WhenFull::Wait,
                    limit,
                )?);
            }
            (None, None) => {}
        }
        Ok(())
    }

    fn event(&mut self, event: &RawEvent<'_>) -> Result<ControlFlow<()>> {
        let ts = event.ts();
        // A capture tells what it knew before with the time of its first event.
        let first = *self.first_ts.get_or_insert(ts);
        if self.is_long_enough(first, ts) {
            return Ok(ControlFlow::Break(()));
        }
        self.events += 1;
        let (flags, matched) = match &mut self.tables {
            Some(tables) => tables.judge(event),
            None => (Some(event.flags()), !only_updates_state(event)),
        };
        let Some(recording) = &mut self.recording else { return Ok(ControlFlow::Break(())) };
        if let Some(flags) = flags {
            recording.event(event, flags);
        }
        self.matched += u64::from(matched);
        let enough = self.options.count.is_some_and(|count| self.matched >= count)
            || recording.is_broken()
            || self.is_large_enough();
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn idle(&mut self) -> Result<ControlFlow<()>> {
        self.silent = true;
        let now = now_ns();
        if self.is_long_enough(self.first_ts.unwrap_or(self.started), now) {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(recording) = &mut self.recording {
            recording.tick(now);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn between(&mut self, source: &dyn Source) {
        let Recorder { progress, recording, events, silent, .. } = self;
        if !events.is_multiple_of(STRIDE) && !std::mem::take(silent) {
            return;
        }
        progress.show(|| {
            let stats = source.stats();
            let size = recording.as_ref().map_or(0, Recording::size);
            let lost = stats.dropped();
            format!("{events} events, {:.1} MB, {lost} lost", size as f64 / 1e6)
        });
    }
}
