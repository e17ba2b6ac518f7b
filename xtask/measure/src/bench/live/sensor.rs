//! A sensor that watches this machine while something else is measured.
//!
//! That it sees events, and that it is through with them, is told by an alert: this process reads
//! `/etc/shadow`, which every set of rules that is measured reports, and waits for the line. How many
//! events it saw and lost is told by its own alert about drops, which is made to come every second.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::bench::process::{Running, Usage};
use crate::paths;

/// Reading it is an alert.
const TRIGGER: &str = "/etc/shadow";

/// Between two readings of [`TRIGGER`].
const PAUSE: Duration = Duration::from_millis(1);

/// How long an alert may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The rule of the alert that has the counters.
const COUNTERS: &str = "Falco internal: syscall event drop";

/// How often that alert comes.
const SECOND: Duration = Duration::from_secs(1);

/// Falco's defaults, but for the counters every second. A drop that is simulated is added to
/// `n_drops` alone.
const CONFIGURATION: &str = "\
engine: {kind: modern_ebpf}
json_output: true
stdout_output: {enabled: true}
syslog_output: {enabled: false}
syscall_event_drops: {actions: [alert], threshold: 0, rate: 1000, max_burst: 1000, simulate_drops: true}
";

/// A running sensor.
pub struct Sensor {
    running: Running,
    seen: Arc<Mutex<Seen>>,
    alerts: JoinHandle<()>,
    log: JoinHandle<String>,
}

/// What a sensor has told so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Alerts about [`TRIGGER`].
    triggers: u64,
    /// Alerts about [`COUNTERS`].
    seconds: u64,
    /// Events that the kernel sent or wanted to.
    pub events: u64,
    /// Events that were lost, by cause and by class.
    pub dropped: BTreeMap<String, u64>,
}

/// What starting took.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Seconds from exec until the first alert was here.
    pub wall: f64,
    /// CPU seconds of the sensor until then.
    pub cpu: f64,
}

impl Sensor {
    /// Starts a sensor with `rules` and waits until it sees events.
    pub fn start(rules: &[PathBuf], scratch: &Path) -> Result<(Sensor, Start)> {
        let configuration = scratch.join("falco.yaml");
        fs::write(&configuration, CONFIGURATION)
            .with_context(|| format!("cannot write {}", configuration.display()))?;
        let mut falco = Command::new(paths::falco()?);
        falco.arg("-c").arg(configuration);
        for file in rules {
            falco.arg("-r").arg(file);
        }
        falco.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::start(&mut falco)?;
        let stdout = running.child.stdout.take().context("no stdout")?;
        let mut stderr = running.child.stderr.take().context("no stderr")?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let alerts = std::thread::spawn({
            let seen = Arc::clone(&seen);
            move || listen(stdout, &seen)
        });
        let log = std::thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read cannot be shown.
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut sensor = Sensor { running, seen, alerts, log };
        match sensor.await_trigger() {
            Ok(()) => {
                let wall = sensor.running.start.elapsed().as_secs_f64();
                let start = Start { wall, cpu: sensor.cpu()? };
                // Alerts of the other readings.
                sleep(Duration::from_millis(100));
                Ok((sensor, start))
            }
            Err(why) => Err(sensor.fail(&why)),
        }
    }

    /// CPU seconds so far.
    pub fn cpu(&self) -> Result<f64> {
        self.running.cpu()
    }

    /// Waits until it is through with everything that has happened up to now.
    pub fn catch_up(&mut self) -> Result<()> {
        self.await_trigger()
    }

    /// Asks it to end, and waits; tells what it used and saw in all.
    pub fn stop(mut self) -> Result<(Usage, Seen)> {
        // The counters of the last second come with the first event after it.
        let seconds = self.seen().seconds;
        let begin = Instant::now();
        while self.seen().seconds < seconds + 2 {
            ensure!(begin.elapsed() < PATIENCE, "no alert \"{COUNTERS}\" within {PATIENCE:?}");
            self.await_trigger()?;
            sleep(SECOND / 4);
        }
        self.running.terminate()?;
        let usage = self.running.wait()?;
        // Their pipes are closed; a thread that panicked has been heard.
        let _ = (self.alerts.join(), self.log.join());
        let seen = lock(&self.seen).clone();
        Ok((usage, seen))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Reads [`TRIGGER`] until there is a further alert about it.
    fn await_trigger(&mut self) -> Result<()> {
        let before = self.seen().triggers;
        let begin = Instant::now();
        while self.seen().triggers == before {
            ensure!(begin.elapsed() < PATIENCE, "no alert about {TRIGGER} within {PATIENCE:?}");
            if self.running.child.try_wait()?.is_some() {
                bail!("it has ended");
            }
            File::open(TRIGGER).with_context(|| format!("cannot read {TRIGGER}"))?;
            sleep(PAUSE);
        }
        Ok(())
    }

    /// `why`, and what the sensor said.
    fn fail(self, why: &anyhow::Error) -> anyhow::Error {
        drop(self.running);
        let log = self.log.join().unwrap_or_default();
        anyhow::anyhow!("the sensor does not work: {why:#}. It said:\n{}", log.trim_end())
    }
}

/// Reads alerts until there are no more.
fn listen(stdout: ChildStdout, seen: &Mutex<Seen>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if line.contains(COUNTERS) {
            lock(seen).count(&line);
        } else if line.contains(TRIGGER) {
            lock(seen).triggers += 1;
        }
    }
}

/// What is counted is whole whatever a thread that panicked was about to add.
fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    /// Adds the counters of an alert, which tells those of one second.
    fn count(&mut self, line: &str) {
        let Ok(alert) = serde_json::from_str::<Value>(line) else { return };
        let Some(fields) = alert["output_fields"].as_object() else { return };
        self.seconds += 1;
        for (name, value) in fields {
            let Some(count) = value.as_str().and_then(|v| v.parse::<u64>().ok()) else { continue };
            match name.as_str() {
                "n_evts" => self.events += count,
                // The simulated one among them.
                "n_drops" => {
                    *self.dropped.entry("all".into()).or_default() += count.saturating_sub(1)
                }
                _ => {
                    if let Some(cause) = name.strip_prefix("n_drops_") {
                        *self.dropped.entry(cause.into()).or_default() += count;
                    }
                }
            }
        }
    }

    /// The number of events that were not lost.
    pub fn handled(&self) -> f64 {
        self.events.saturating_sub(self.lost()) as f64
    }

    /// All events that were lost.
    pub fn lost(&self) -> u64 {
        self.dropped.get("all").copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_seconds_add_up() {
        let mut seen = Seen::default();
        let alert = r#"{"rule":"Falco internal: syscall event drop","output_fields":{"ebpf_enabled":"1","n_drops":"31","n_drops_buffer_total":"30","n_drops_buffer_open_exit":"12","n_evts":"101"}}"#;
        seen.count(alert);
        seen.count(alert);
        assert_eq!((seen.events, seen.lost(), seen.seconds), (202, 60, 2));
        assert_eq!((seen.dropped["buffer_total"], seen.dropped["buffer_open_exit"]), (60, 24));
    }
}
